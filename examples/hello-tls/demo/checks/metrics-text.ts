import { curlInPod, type DemoPod } from "../pods/demo-pod.ts";

/** One sample of Prometheus's text format. */
export interface MetricSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})?\s+(\S+)/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;
const ESCAPES: Readonly<Record<string, string>> = { "\\n": "\n", '\\"': '"', "\\\\": "\\" };

/** Reads Prometheus's text format, version 0.0.4; comments and what is not a sample are passed over. */
export function parseMetrics(text: string): readonly MetricSample[] {
  return text.split("\n").flatMap((line) => {
    const [, name, labelText, value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) return [];
    const labels = [...(labelText ?? "").matchAll(LABEL)].map(([, label = "", escaped = ""]) => [
      label,
      escaped.replace(/\\[n"\\]/g, (sequence) => ESCAPES[sequence] ?? sequence),
    ]);
    return [{ name, labels: Object.fromEntries(labels), value: Number(value) }];
  });
}

/** The sum of a metric's samples that carry all these labels; 0 where there is none. */
export function sumMetric(
  samples: readonly MetricSample[],
  name: string,
  labels: Readonly<Record<string, string>>,
): number {
  return samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, sample) => sum + sample.value, 0);
}

/** Scrapes the metrics of a pod's proxy, from another pod, as Prometheus would. */
export async function readMetrics(pod: DemoPod, from: DemoPod): Promise<readonly MetricSample[]> {
  return parseMetrics((await curlInPod(from, `http://${pod.ip}:15020/stats/prometheus`)).stdout);
}

/** How often the pod's proxy has refused a peer in the handshake for this reason. */
export async function countHandshakeFailures(
  pod: DemoPod,
  from: DemoPod,
  labels: { readonly direction: "inbound" | "outbound"; readonly reason: string },
): Promise<number> {
  return sumMetric(await readMetrics(pod, from), "entente_tls_handshake_failures_total", labels);
}
