import { execPath } from "node:process";
import { fileURLToPath } from "node:url";
import type { DemoPod } from "./demo-pod.ts";

const PROBE = new URL("./in-pod-probe.ts", import.meta.url);

/** An address to connect to, in plaintext or with TLS as a sidecar would. */
export interface ProbeTarget {
  readonly ip: string;
  readonly port: number;
  readonly timeoutMs: number;
  readonly tls?: ProbeTls;
}

export interface ProbeTls {
  readonly serverName: string;
  /** Leaf first. Absent: no certificate is shown. */
  readonly certificatePem?: string;
  readonly keyPem?: string;
}

export interface ProbeResult {
  /** `answered`: at least one byte of an application came back. `failed`: TLS said no. `silent`: time ran out. */
  readonly outcome: "answered" | "refused" | "reset" | "closed" | "failed" | "silent";
  readonly detail: string;
  readonly text: string;
  /** The client's port, by which the server's log names it; 0 where no connection came about. */
  readonly localPort: number;
}

/** How to run one of this folder's programs inside a pod. */
export function inPodCommand(program: URL, argument: unknown): readonly string[] {
  return [execPath, fileURLToPath(program), JSON.stringify(argument)];
}

/** Knocks at all targets at once, from inside the pod. */
export async function probeFromPod(pod: DemoPod, targets: readonly ProbeTarget[]): Promise<readonly ProbeResult[]> {
  const { stdout, stderr, status } = await pod.exec(inPodCommand(PROBE, targets));
  const results: unknown = status === 0 ? JSON.parse(stdout) : undefined;
  if (!isResultList(results) || results.length !== targets.length) {
    throw new Error(`the probe in ${pod.label} did not run (status ${status}): ${stderr.trim().slice(-500)}`);
  }
  return results;
}

function isResultList(value: unknown): value is readonly ProbeResult[] {
  return (
    Array.isArray(value) && value.every((entry) => typeof entry === "object" && entry !== null && "outcome" in entry)
  );
}
