import type { DemoPod } from "../pods/demo-pod.ts";
import { pollUntil } from "../poll-until.ts";
import type { Check, CheckContext, CheckResult, Finding } from "./check.ts";

/** How often each leaf must have been replaced. */
const ROTATIONS = 3;

/** g: leaves of seconds are replaced again and again, and no request notices. */
export const checkRotation: Check = {
  letter: "g",
  title: "Rotation: leaves live seconds, requests never stop",
  suspects: ({ gateway, hello, world }) => [gateway, hello, world],
  async run(context): Promise<CheckResult> {
    const { cluster, rotation, signal } = context;
    const pods = [cluster.gateway, cluster.hello, cluster.world];
    await pollUntil(
      async () => Math.min(...pods.map((pod) => rotation.serialsOf(pod).length - 1)),
      (rotations) => rotations >= ROTATIONS,
      { everyMs: 200, timeoutMs: 2 * ROTATIONS * cluster.pace.leafLifetimeS * 1000, signal },
    );
    return { findings: [judgeSerials(context, pods), judgeTraffic(context)] };
  },
};

function judgeSerials({ cluster, rotation }: CheckContext, pods: readonly DemoPod[]): Finding {
  const rotations = pods.map((pod) => ({ pod, count: rotation.serialsOf(pod).length - 1 }));
  return {
    claim: `every proxy has replaced its certificate of ${cluster.pace.leafLifetimeS} s several times`,
    passed: rotations.every(({ count }) => count >= ROTATIONS),
    expected: `at least ${ROTATIONS} times each`,
    seen: rotations.map(({ pod, count }) => `${pod.label} ${Math.max(count, 0)}`).join(", "),
  };
}

function judgeTraffic({ traffic }: CheckContext): Finding {
  const { kept, fresh, failures } = traffic.count();
  return {
    claim: "not one request failed, on kept connections or on new ones",
    passed: failures.length === 0 && kept > 0 && fresh > 0,
    expected: "0 failures of requests of both kinds",
    seen: `${kept} on kept connections, ${fresh} each on a new one: ${failures.length} failed${firstOf(failures)}`,
  };
}

/** The first failure, for a reader who wants to know what a number hides. */
export function firstOf(failures: readonly string[]): string {
  return failures[0] === undefined ? "" : ` (first: ${failures[0]})`;
}
