import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Check, type CheckContext, type CheckResult, type Finding, findEqual } from "../checks/check.ts";
import { readMetrics, sumMetric } from "../checks/metrics-text.ts";
import type { DemoPace } from "../demo-pace.ts";
import { curlInPod, type DemoPod, describeCurl } from "../pods/demo-pod.ts";
import { pollUntil } from "../poll-until.ts";
import { replaceFile } from "../replace-file.ts";
import { openStreamFromPod, type StreamReport } from "./open-stream.ts";
import { GREETER_POLICY, ONLY_GET_RULE, WORLD_POLICIES } from "./policies.ts";

const WORLD = "http://world.ns2:8080/";
const GREETER = { host: "greeter.hello-grpc", port: 50_051 } as const;
const DENIED = "403 RBAC: access denied";
const STREAM_TIMEOUT_MS = 20_000;

/** k: AuthorizationPolicy decides by identity and by request, also about what is open already. */
export const checkAuthorization: Check = {
  letter: "k",
  title: "Authorization: world.ns2 takes GET alone, and from hello alone",
  suspects: ({ world, greeters }) => [world, ...greeters],
  async run(context): Promise<CheckResult> {
    const { authorizationFile } = context.cluster;
    try {
      const before = await ask(context.cluster.caller);
      await replaceFile(authorizationFile, WORLD_POLICIES);
      const findings = [
        findEqual("without a policy a meshed client of another namespace is served", "200 world !!!", before),
        ...(await judgeWorld(context)),
      ];
      const stream = await judgeStream(context);
      return { findings: [...findings, stream], notes: [EXPLAIN] };
    } finally {
      await rm(authorizationFile, { force: true });
    }
  },
};

const EXPLAIN =
  "`entente authz explain --from POD --to SERVICE:PORT` says which rule decides, and what would be allowed.";

async function judgeWorld(context: CheckContext): Promise<readonly Finding[]> {
  const { caller, hello, attacker, pace } = context.cluster;
  const denied = await pollUntil(
    () => ask(caller),
    (seen) => seen === DENIED,
    { everyMs: 20, timeoutMs: 5 * pace.inForceMs, signal: context.signal },
  );
  const plaintext = await curlInPod(attacker, WORLD);
  return [
    {
      claim: "with AuthorizationPolicy/only-hello its next request is denied",
      passed: denied.isReached && denied.elapsedMs <= pace.inForceMs,
      expected: `${DENIED}, within ${pace.inForceMs} ms`,
      seen: `${denied.value} after ${Math.round(denied.elapsedMs)} ms`,
    },
    findEqual("hello is served as before", "200 world !!!", await ask(hello)),
    findEqual("a POST of hello is denied by AuthorizationPolicy/only-get", DENIED, await ask(hello, "POST")),
    await judgeReport(context),
    {
      claim: "a client in plaintext is refused",
      passed: !plaintext.isAnswered && plaintext.stdout === "",
      expected: "a reset, and no byte of a response",
      seen: describeCurl(plaintext),
    },
  ];
}

/** `STATUS BODY` of a request from inside the pod. */
async function ask(pod: DemoPod, method = "GET"): Promise<string> {
  const result = await curlInPod(pod, WORLD, [], ["--request", method, "--write-out", "\n%{http_code}"]);
  if (!result.isAnswered) return describeCurl(result);
  const [body = "", status = ""] = result.stdout.split(/\n(?=\d{3}$)/);
  return `${status} ${body.trim()}`;
}

/** The operator finds the rule in world's log and in its metrics. */
async function judgeReport({ cluster, signal }: CheckContext): Promise<Finding> {
  const { world, attacker } = cluster;
  const { value } = await pollUntil(
    async () => ({
      counted: sumMetric(await readMetrics(world, attacker), "entente_rbac_total", {
        authz_enforce_result: "denied",
        rule: ONLY_GET_RULE,
      }),
      isLogged: (await world.proxyLog()).includes(`"rule":"${ONLY_GET_RULE}"`),
    }),
    ({ counted, isLogged }) => counted > 0 && isLogged,
    { everyMs: 200, timeoutMs: 3000, signal },
  );
  return {
    claim: `world's log and its metric entente_rbac_total name the rule: ${ONLY_GET_RULE}`,
    passed: value.counted > 0 && value.isLogged,
    expected: "at least 1 denial counted, and the rule in the log",
    seen: `${value.counted} counted, ${value.isLogged ? "logged" : "not logged"}`,
  };
}

/** An open gRPC stream of a client that a new policy denies. */
async function judgeStream({ cluster, scratchFolder, signal }: CheckContext): Promise<Finding> {
  const job = { ...GREETER, openedFile: join(scratchFolder, "stream-is-open"), timeoutMs: STREAM_TIMEOUT_MS };
  const { isOpen, ended } = await openStreamFromPod(cluster.caller, job, signal);
  const changedAtMs = Date.now();
  await replaceFile(cluster.authorizationFile, `${WORLD_POLICIES}---\n${GREETER_POLICY}`);
  return describeEnd(isOpen, await ended, changedAtMs, cluster.pace);
}

function describeEnd(
  isOpen: boolean,
  { endedAtMs, reason }: StreamReport,
  changedAtMs: number,
  { inForceMs }: DemoPace,
): Finding {
  const elapsedMs = endedAtMs - changedAtMs;
  return {
    claim: "a policy that denies a client ends its open stream",
    passed: isOpen && elapsedMs >= 0 && elapsedMs <= inForceMs,
    expected: `an open stream that ends within ${inForceMs} ms of the change`,
    seen: isOpen ? `${reason} after ${endedAtMs === 0 ? `more than ${STREAM_TIMEOUT_MS}` : elapsedMs} ms` : "no stream",
  };
}
