import type { DemoPod } from "../pods/demo-pod.ts";
import { pollUntil } from "../poll-until.ts";
import { describeAuthority, readAuthority, type ShownAuthority } from "../trust/authority-view.ts";
import type { Check, CheckContext, CheckResult, Finding } from "./check.ts";

/** How often each leaf must have been replaced. */
const ROTATIONS = 3;

/** How long the leaves of the demo live; Istio's own live a day. */
export const LEAF_LIFETIME_S = 20;

/** g: leaves of 20 s are replaced again and again, and no request notices. */
export const checkRotation: Check = {
  letter: "g",
  title: `Rotation: leaves live ${LEAF_LIFETIME_S} s, requests never stop`,
  suspects: ({ gateway, hello, world }) => [gateway, hello, world],
  async run(context): Promise<CheckResult> {
    const { cluster, rotation, signal } = context;
    const pods = [cluster.gateway, cluster.hello, cluster.world];
    const published = await publishRoot(context);
    await pollUntil(
      async () => Math.min(...pods.map((pod) => rotation.serialsOf(pod).length - 1)),
      (rotations) => rotations >= ROTATIONS,
      { everyMs: 200, timeoutMs: 2 * ROTATIONS * LEAF_LIFETIME_S * 1000, signal },
    );
    return { findings: [published, judgeSerials(context, pods), judgeTraffic(context)], notes: [EXPLAIN] };
  },
};

const EXPLAIN = "The new root will sign, and then be alone: l shows how that ends. It goes on meanwhile.";

/** The first phase: the new root is known everywhere before anything is signed by it. */
async function publishRoot({ cluster, rootRotation, signal }: CheckContext): Promise<Finding> {
  await rootRotation.request();
  const { value, isReached } = await pollUntil(
    () => readAuthority(cluster, signal),
    (authority) => authority !== undefined && isPublished(authority),
    { everyMs: 200, timeoutMs: 2 * LEAF_LIFETIME_S * 1000, signal },
  );
  return {
    claim: "entente ca rotate-root: every proxy trusts a new root beside the old one, which still signs",
    passed: isReached,
    expected: "2 roots, both trusted by every proxy; one signs, and all certificates are of that one",
    seen: describeAuthority(value),
  };
}

function isPublished({ connected, roots }: ShownAuthority): boolean {
  const [signing, ...others] = roots.toSorted((one, other) => Number(other.isSigning) - Number(one.isSigning));
  const isTrusted = roots.every(({ trustedBy }) => connected > 0 && trustedBy === connected);
  return isTrusted && others.length === 1 && others[0]?.isSigning === false && signing?.certificates === connected;
}

function judgeSerials({ rotation }: CheckContext, pods: readonly DemoPod[]): Finding {
  const rotations = pods.map((pod) => ({ pod, count: rotation.serialsOf(pod).length - 1 }));
  return {
    claim: "every proxy has replaced its certificate several times",
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
