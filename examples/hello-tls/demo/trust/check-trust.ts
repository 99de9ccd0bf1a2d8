import type { Check, CheckContext, CheckResult, Finding } from "../checks/check.ts";
import { firstOf } from "../checks/check-rotation.ts";
import { pollUntil } from "../poll-until.ts";
import { describeAuthority, readAuthority, type ShownAuthority } from "./authority-view.ts";
import { judgeRevocation } from "./revocation.ts";
import { type Rotated, readProcessIds } from "./root-rotation.ts";

/** l: the root is replaced, and a client is revoked, while requests go on. */
export const checkTrust: Check = {
  letter: "l",
  title: "Trust: the root is replaced, and a client is revoked, while requests go on",
  suspects: ({ hello, world, caller }) => [hello, world, caller],
  async run(context): Promise<CheckResult> {
    const rotated = await context.rootRotation.awaitEnd();
    if (rotated.kind === "not_requested") throw new Error("no rotation of the root was requested");
    const findings = [judgePhases(rotated), await judgeRoots(context, rotated), judgePods(context, rotated)];
    const revocation = await judgeRevocation(context);
    await context.traffic.stop();
    return { findings: [...findings, ...revocation, judgeTraffic(context, rotated)], notes: [EXPLAIN] };
  },
};

const EXPLAIN =
  "A phase lasts as long as the certificates do: seconds here, about a day in a mesh. `entente ca status` shows it at any time.";

type Ended = Extract<Rotated, { readonly kind: "ended" }>;

const PHASES = "published → signing → done";

/** By the lines that the command has printed. While the control plane was away there is one of another kind. */
function judgePhases({ command, elapsedMs }: Ended): Finding {
  const phases = command.stdout.split("\n").flatMap((line) => /^(published|signing|done)\b/.exec(line)?.[1] ?? []);
  const course = phases.filter((phase, index) => phase !== phases[index - 1]).join(" → ");
  const fault = command.status === 0 ? "" : `; status ${command.status} ${command.stderr.trim().slice(-200)}`;
  return {
    claim: "entente ca rotate-root --wait: the rotation of g has reached its end, across the control plane's crash",
    passed: command.status === 0 && course === PHASES,
    expected: `${PHASES}, and status 0`,
    seen: `${course || "no phase"} in ${(elapsedMs / 1000).toFixed(0)} s${fault}`,
  };
}

async function judgeRoots({ cluster, signal }: CheckContext, { authority: before }: Ended): Promise<Finding> {
  const old = before?.roots[0]?.fingerprint;
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

function judgePods({ cluster }: CheckContext, { processIds: before }: Ended): Finding {
  const now = readProcessIds(cluster);
  const names = Object.keys(before);
  const restarted = names.filter((name) => before[name] !== now[name]);
  return {
    claim: "no pod was restarted for that",
    passed: names.length > 0 && restarted.length === 0,
    expected: "the same processes as before",
    seen: restarted.length === 0 ? `${names.length} pods, the same processes` : `other ones: ${restarted.join(", ")}`,
  };
}

function judgeTraffic({ traffic }: CheckContext, { traffic: before }: Ended): Finding {
  const now = traffic.count();
  const kept = now.kept - before.kept;
  const fresh = now.fresh - before.fresh;
  const failures = now.failures.slice(before.failures.length);
  return {
    claim: "from the request for a new root until now, not one request of others failed",
    passed: failures.length === 0 && kept > 0 && fresh > 0,
    expected: "0 failures of requests of both kinds",
    seen: `${kept} on kept connections, ${fresh} each on a new one: ${failures.length} failed${firstOf(failures)}`,
  };
}
