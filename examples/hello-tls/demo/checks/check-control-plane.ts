import { setTimeout as sleep } from "node:timers/promises";
import { AWAY_MS } from "../demo-pace.ts";
import type { DemoPod } from "../pods/demo-pod.ts";
import { pollUntil } from "../poll-until.ts";
import type { Check, CheckContext, CheckResult, Finding } from "./check.ts";
import { firstOf } from "./check-rotation.ts";
import type { TrafficCount } from "./traffic.ts";

/** h: the control plane dies; what runs goes on, and what must be renewed is renewed once it is back. */
export const checkControlPlane: Check = {
  letter: "h",
  title: "Control plane killed (SIGKILL) while the root rotates, and started again",
  needsRootRotation: true,
  suspects: ({ gateway, hello, world }) => [gateway, hello, world],
  async run(context): Promise<CheckResult> {
    const { cluster, traffic, signal } = context;
    const before = traffic.count();
    await cluster.killControlPlane();
    await sleep(AWAY_MS, undefined, { signal });
    const meanwhile = traffic.count();
    const serials = readSerials(context);
    const startedMs = performance.now();
    await cluster.startControlPlane();
    const backMs = performance.now() - startedMs;
    const resumed = await awaitNewSerials(context, serials);
    await traffic.stop();
    const after = traffic.count();
    traffic.resume();
    return { findings: [judgeMeanwhile(before, meanwhile), resumed, judgeAfter(meanwhile, after, backMs)] };
  },
};

function proxiesOf({ cluster }: CheckContext): readonly DemoPod[] {
  return [cluster.gateway, cluster.hello, cluster.world];
}

function readSerials(context: CheckContext): ReadonlyMap<DemoPod, number> {
  return new Map(proxiesOf(context).map((pod) => [pod, context.rotation.serialsOf(pod).length]));
}

async function awaitNewSerials(context: CheckContext, before: ReadonlyMap<DemoPod, number>): Promise<Finding> {
  const pods = proxiesOf(context);
  const { leafLifetimeS } = context.cluster.pace;
  const renewed = (): readonly DemoPod[] =>
    pods.filter((pod) => context.rotation.serialsOf(pod).length > (before.get(pod) ?? 0));
  const { isReached, elapsedMs } = await pollUntil(
    async () => renewed(),
    (list) => list.length === pods.length,
    { everyMs: 200, timeoutMs: leafLifetimeS * 1000, signal: context.signal },
  );
  return {
    claim: "once it is back, every proxy gets a new certificate",
    passed: isReached,
    expected: `a new serial number for each within ${leafLifetimeS} s`,
    seen: `${
      renewed()
        .map(({ label }) => label)
        .join(", ") || "none"
    } after ${(elapsedMs / 1000).toFixed(1)} s`,
  };
}

function judgeMeanwhile(before: TrafficCount, now: TrafficCount): Finding {
  return judge(`requests go on for ${AWAY_MS / 1000} s without it`, before, now);
}

function judgeAfter(before: TrafficCount, now: TrafficCount, backMs: number): Finding {
  return judge(`and none fails while it comes back, which takes ${(backMs / 1000).toFixed(1)} s`, before, now);
}

function judge(claim: string, before: TrafficCount, now: TrafficCount): Finding {
  const requests = now.kept + now.fresh - before.kept - before.fresh;
  const failures = now.failures.slice(before.failures.length);
  return {
    claim,
    passed: requests > 0 && failures.length === 0,
    expected: "requests, and 0 failures",
    seen: `${requests} requests, ${failures.length} failed${firstOf(failures)}`,
  };
}
