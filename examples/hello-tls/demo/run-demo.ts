import { checkAuthorization } from "./authorization/check-authorization.ts";
import type { Check } from "./checks/check.ts";
import { checkAttackers } from "./checks/check-attackers.ts";
import { checkControlPlane } from "./checks/check-control-plane.ts";
import { checkGateway } from "./checks/check-gateway.ts";
import { checkHops } from "./checks/check-hops.ts";
import { checkPolicy } from "./checks/check-policy.ts";
import { checkPorts } from "./checks/check-ports.ts";
import { checkRequests } from "./checks/check-requests.ts";
import { checkRotation } from "./checks/check-rotation.ts";
import { checkWire } from "./checks/check-wire.ts";
import { startRotationWatch } from "./checks/rotation-watch.ts";
import { runChecks } from "./checks/run-checks.ts";
import { GATEWAY_HOST, GATEWAY_TEXT, startTraffic } from "./checks/traffic.ts";
import type { DemoCluster } from "./demo-cluster.ts";
import { scaleLimit } from "./demo-pace.ts";
import { countFindings, type DemoTotals, formatTotals } from "./demo-report.ts";
import { checkGrpc } from "./grpc/check-grpc.ts";
import { pollUntil } from "./poll-until.ts";
import type { ProgressLine, TextOutput } from "./progress-line.ts";
import type { TextStyle } from "./text-style.ts";
import { checkRevocation } from "./trust/check-revocation.ts";
import { checkRoot } from "./trust/check-root.ts";
import { createRootRotation } from "./trust/root-rotation.ts";

/** The parts of the demo in the order of the report. The rotations are awaited late, while the other checks pass the time. */
export const CHECKS: readonly Check[] = [
  checkGateway,
  checkHops,
  checkWire,
  checkPolicy,
  checkAttackers,
  checkPorts,
  checkRotation,
  checkControlPlane,
  checkRequests,
  checkGrpc,
  checkAuthorization,
  checkRoot,
  checkRevocation,
];

const FIRST_ANSWER_MS = 20_000;

export interface DemoOptions {
  readonly output: TextOutput;
  readonly style: TextStyle;
  readonly progress: ProgressLine;
  /** Brings the mesh up in a folder of this run's own, and reports its progress. */
  readonly startCluster: (onProgress: (step: string) => void) => Promise<DemoCluster>;
  /** The parts to run. */
  readonly checks: readonly Check[];
  readonly scratchFolder: string;
  readonly signal: AbortSignal;
}

/** Brings the mesh up, checks all that the demo claims, takes the mesh down again, and writes the totals last. */
export async function runDemo(options: DemoOptions): Promise<DemoTotals> {
  const { output, progress, style } = options;
  const startedMs = performance.now();
  const cluster = await options.startCluster((step) => progress.show(step));
  try {
    progress.show("waiting for the first response");
    await awaitFirstAnswer(cluster, options.signal);
    progress.clear();
    output.write(`${style("strong", "The mesh is up")} after ${formatSeconds(startedMs)}\n`);
    for (const notice of cluster.notices) output.write(`${notice}\n`);
    output.write("\n");
    const totals = await checkCluster(cluster, options);
    progress.hint("taking the mesh down …");
    await cluster.stop();
    progress.clear();
    output.write(style("dim", `${formatSeconds(startedMs)} altogether\n`));
    output.write(formatTotals(totals));
    return totals;
  } finally {
    await cluster.stop();
  }
}

/**
 * Ready pods are known to the proxies a moment after they are ready, here as in any cluster. If no response comes, the
 * checks say so, and show why.
 */
async function awaitFirstAnswer({ host, gatewayUrl, pace }: DemoCluster, signal: AbortSignal): Promise<void> {
  await pollUntil(
    () => host.ask(gatewayUrl, GATEWAY_HOST),
    (reply) => reply.kind === "answered" && reply.text === GATEWAY_TEXT,
    { everyMs: 50, timeoutMs: scaleLimit(FIRST_ANSWER_MS, pace), signal },
  );
}

async function checkCluster(cluster: DemoCluster, options: DemoOptions): Promise<DemoTotals> {
  const { checks, output, progress, style, scratchFolder } = options;
  const done = new AbortController();
  const signal = AbortSignal.any([options.signal, done.signal]);
  const { gateway, hello, world } = cluster;
  const traffic = startTraffic(cluster, signal);
  const rotation = startRotationWatch([gateway, hello, world], signal);
  try {
    const rootRotation = createRootRotation({ cluster, traffic, signal });
    if (checks.some(({ needsRootRotation }) => needsRootRotation)) await rootRotation.request();
    const context = { cluster, traffic, rotation, rootRotation, scratchFolder, signal };
    return countFindings(await runChecks(checks, context, { progress, style, write: (text) => output.write(text) }));
  } finally {
    done.abort();
    await Promise.allSettled([traffic.stop(), rotation.stop()]);
  }
}

function formatSeconds(startedMs: number): string {
  return `${((performance.now() - startedMs) / 1000).toFixed(1)} s`;
}
