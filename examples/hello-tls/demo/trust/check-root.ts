import type { Check, CheckContext, CheckResult, Finding } from "../checks/check.ts";
import { firstOf } from "../checks/check-rotation.ts";
import type { TrafficCount } from "../checks/traffic.ts";
import { pollUntil } from "../poll-until.ts";
import { describeAuthority, readAuthority, type ShownAuthority } from "./authority-view.ts";
import { type Rotated, readProcessIds } from "./root-rotation.ts";

/** l: the root is replaced while requests go on; it was asked for before the first check. */
export const checkRoot: Check = {
  letter: "l",
  title: "Root rotation: two roots, then the new one alone, while requests go on",
  needsRootRotation: true,
  suspects: ({ gateway, hello, world }) => [gateway, hello, world],
  async run(context): Promise<CheckResult> {
    const rotated = await context.rootRotation.awaitEnd();
    if (rotated.kind === "not_requested") throw new Error("no rotation of the root was requested");
    const findings = [
      judgePublished(rotated),
      judgePhases(rotated),
      await judgeRoots(context, rotated),
      judgePods(context, rotated),
    ];
    return { findings: [...findings, judgeTraffic(context, rotated.before.traffic)], notes: [EXPLAIN] };
  },
};

const EXPLAIN =
  "A phase lasts as long as the certificates do: seconds here, about a day in a mesh. `entente ca status` shows it at any time.";

type Ended = Extract<Rotated, { readonly kind: "ended" }>;

const PHASES = "published → signing → done";

function judgePublished({ before, published }: Ended): Finding {
  const [signing] = published.value?.roots.filter(({ isSigning }) => isSigning) ?? [];
  const old = before.authority?.roots[0]?.fingerprint;
  return {
    claim:
      "entente ca rotate-root, before a: first every proxy trusts a new root beside the old one, which still signs",
    passed: published.isReached && old !== undefined && signing?.fingerprint === old,
    expected: "2 roots, both trusted by every proxy; all certificates are of the old one",
    seen: describeAuthority(published.value),
  };
}

/** By the lines that the command has printed. While the control plane was away there is one of another kind. */
function judgePhases({ command, elapsedMs }: Ended): Finding {
  const phases = command.stdout.split("\n").flatMap((line) => /^(published|signing|done)\b/.exec(line)?.[1] ?? []);
  const course = phases.filter((phase, index) => phase !== phases[index - 1]).join(" → ");
  const fault = command.status === 0 ? "" : `; status ${command.status} ${command.stderr.trim().slice(-200)}`;
  return {
    claim: "entente ca rotate-root --wait: it has reached its end, also across a crash of the control plane",
    passed: command.status === 0 && course === PHASES,
    expected: `${PHASES}, and status 0`,
    seen: `${course || "no phase"} in ${(elapsedMs / 1000).toFixed(0)} s${fault}`,
  };
}

async function judgeRoots({ cluster, signal }: CheckContext, { before }: Ended): Promise<Finding> {
  const old = before.authority?.roots[0]?.fingerprint;
  const { value, isReached } = await pollUntil(
    () => readAuthority(cluster, signal),
    (authority) => old !== undefined && authority !== undefined && isAlone(authority, old),
    { everyMs: 200, timeoutMs: 5000, signal },
  );
  return {
    claim: "entente ca status: the new root is the only one, and every proxy trusts it and holds a certificate of it",
    passed: isReached,
    expected: `one root, other than ${old?.slice(0, 8) ?? "before"}…, which signs; trusted by all, and all certificates of it`,
    seen: describeAuthority(value),
  };
}

function isAlone({ connected, roots }: ShownAuthority, old: string): boolean {
  const [root, ...others] = roots;
  const isNew = root?.isSigning === true && root.fingerprint !== old && others.length === 0;
  return isNew && connected > 0 && root.trustedBy === connected && root.certificates === connected;
}

function judgePods({ cluster }: CheckContext, { before }: Ended): Finding {
  const now = readProcessIds(cluster);
  const names = Object.keys(before.processIds);
  const restarted = names.filter((name) => before.processIds[name] !== now[name]);
  return {
    claim: "no pod was restarted for that",
    passed: names.length > 0 && restarted.length === 0,
    expected: "the same processes as before",
    seen: restarted.length === 0 ? `${names.length} pods, the same processes` : `other ones: ${restarted.join(", ")}`,
  };
}

/** Of the requests since then. */
export function judgeTraffic({ traffic }: CheckContext, before: TrafficCount): Finding {
  const now = traffic.count();
  const kept = now.kept - before.kept;
  const fresh = now.fresh - before.fresh;
  const failures = now.failures.slice(before.failures.length);
  return {
    claim: "meanwhile not one request failed, through the gateway or of hello to world",
    passed: failures.length === 0 && kept > 0 && fresh > 0,
    expected: "0 failures of requests of both kinds",
    seen: `${kept} on kept connections, ${fresh} each on a new one: ${failures.length} failed${firstOf(failures)}`,
  };
}
