import { randomUUID } from "node:crypto";
import { curlInPod, type DemoPod } from "../pods/demo-pod.ts";
import { pollUntil } from "../poll-until.ts";
import type { Check, CheckContext, CheckResult, Finding, ReportTable } from "./check.ts";
import { type MetricSample, readMetrics, sumMetric } from "./metrics-text.ts";

/** Seconds for which tcpdump waits for the request inside the pod. */
const LISTEN_S = "4";

/** i: what the sidecars know of requests: the caller's identity for the application, and the counts for Prometheus. */
export const checkRequests: Check = {
  letter: "i",
  title: "Requests: identity and metrics",
  suspects: ({ hello, world }) => [hello, world],
  async run(context): Promise<CheckResult> {
    const received = await readReceivedIdentity(context);
    const { value: counted } = await pollUntil(
      () => countRequests(context),
      ({ atHello, atWorld }) => atHello > 0 && atWorld > 0,
      { everyMs: 200, timeoutMs: 3000, signal: context.signal },
    );
    return {
      findings: [judgeIdentity(received), judgeCounts(counted)],
      table: tabulate(counted, received),
      notes: [
        "The header was read between world's sidecar and its application, which is the only place where it is in plaintext.",
      ],
    };
  },
};

/** Asks world from hello's pod with a forged identity, and reads what the application is given. */
async function readReceivedIdentity({ cluster, signal }: CheckContext): Promise<string> {
  const { hello, world } = cluster;
  const marker = randomUUID();
  const listening = world.exec(
    ["timeout", LISTEN_S, "tcpdump", "-i", "any", "-A", "-l", "-s", "4096", "tcp dst port 8080 and src host 127.0.0.6"],
    { signal },
  );
  const asking = new AbortController();
  const ask = async (): Promise<void> => {
    while (!asking.signal.aborted) {
      await curlInPod(hello, "http://world.ns2:8080/", [
        `x-marker: ${marker}`,
        "x-forwarded-client-cert: By=forged;URI=forged",
      ]);
    }
  };
  const asked = ask();
  const { stdout } = await listening;
  asking.abort();
  await asked;
  const request = stdout.split(/(?=GET \/ HTTP)/).find((text) => text.includes(marker)) ?? "";
  return /^x-forwarded-client-cert: (.*?)\r?$/im.exec(request)?.[1] ?? "";
}

function judgeIdentity(received: string): Finding {
  const expected =
    /^By=spiffe:\/\/cluster\.local\/ns\/ns2\/sa\/default;Hash=[0-9a-f]{64};Subject="";URI=spiffe:\/\/cluster\.local\/ns\/ns1\/sa\/default$/;
  return {
    claim: "world's application receives hello's identity, and a forged identity does not arrive",
    passed: expected.test(received),
    expected: 'By=…/ns/ns2/sa/default;Hash=…;Subject="";URI=…/ns/ns1/sa/default',
    seen: received === "" ? "no x-forwarded-client-cert" : received,
  };
}

interface Counted {
  readonly atHello: number;
  readonly atWorld: number;
  readonly toEnd: number;
}

/** Answered requests of hello to world, as both ends count them, and world's to the pod without a sidecar. */
async function countRequests({ cluster }: CheckContext): Promise<Counted> {
  const { hello, world, attacker } = cluster;
  const [atHello, atWorld] = await Promise.all([hello, world].map((pod: DemoPod) => readMetrics(pod, attacker)));
  const requests = (samples: readonly MetricSample[] | undefined, labels: Readonly<Record<string, string>>): number =>
    sumMetric(samples ?? [], "istio_requests_total", { response_code: "200", request_protocol: "http", ...labels });
  const principals = {
    source_principal: "spiffe://cluster.local/ns/ns1/sa/default",
    destination_principal: "spiffe://cluster.local/ns/ns2/sa/default",
  };
  const mutual = { reporter: "destination", connection_security_policy: "mutual_tls", ...principals };
  return {
    atHello: requests(atHello, { reporter: "source", destination_service_name: "world", ...principals }),
    atWorld: requests(atWorld, mutual),
    toEnd: requests(atWorld, { reporter: "source", destination_service_namespace: "legacy" }),
  };
}

function judgeCounts({ atHello, atWorld, toEnd }: Counted): Finding {
  return {
    claim: "istio_requests_total counts them at both ends, with both principals and mutual_tls",
    passed: atHello > 0 && atWorld > 0 && toEnd > 0,
    expected: "some at hello (source), at world (destination), and of world's to end",
    seen: `${atHello} at hello, ${atWorld} at world, ${toEnd} of world to end`,
  };
}

function tabulate({ atHello, atWorld, toEnd }: Counted, received: string): ReportTable {
  const peer = /URI=(.*)$/.exec(received)?.[1] ?? "–";
  return {
    header: ["", "hello → world", "world → end"],
    rows: [
      ["200, as the source counts", String(atHello), String(toEnd)],
      ["200, as the destination counts", String(atWorld), "–"],
      ["identity that arrives", peer, "–"],
    ],
  };
}
