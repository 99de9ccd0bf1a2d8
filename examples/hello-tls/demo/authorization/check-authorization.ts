import { rm } from "node:fs/promises";
import { join } from "node:path";
import { awaitResponse } from "../checks/await-response.ts";
import { type Check, type CheckContext, type CheckResult, type Finding, findEqual } from "../checks/check.ts";
import { findRefused } from "../checks/check-policy.ts";
import { readMetrics, sumMetric } from "../checks/metrics-text.ts";
import { askInPod, curlInPod } from "../pods/demo-pod.ts";
import { pollUntil } from "../poll-until.ts";
import { replaceFile } from "../replace-file.ts";
import { judgeStreamEnd, openStreamFromPod } from "./open-stream.ts";
import { GREETER_POLICY, ONLY_GET_RULE, WORLD_POLICIES } from "./policies.ts";

const WORLD = "http://world.ns2:8080/";
const GREETER = { host: "greeter.hello-grpc", port: 50_051 } as const;
const SERVED = "200 world !!!";
const DENIED = "403 RBAC: access denied";
const STREAM_TIMEOUT_MS = 60_000;

/** k: AuthorizationPolicy decides by identity and by request, also about what is open already. */
export const checkAuthorization: Check = {
  letter: "k",
  title: "Authorization: world.ns2 takes GET alone, and from hello alone",
  suspects: ({ world, greeters }) => [world, ...greeters],
  async run(context): Promise<CheckResult> {
    const { authorizationFile } = context.cluster;
    try {
      const served = { pod: context.cluster.caller, url: WORLD, expected: SERVED };
      const before = await awaitResponse(context, {
        claim: "without a policy a meshed client of another namespace is served",
        ...served,
      });
      await replaceFile(authorizationFile, WORLD_POLICIES);
      const judged = await judgeWorld(context);
      const stream = await judgeStream(context);
      await rm(authorizationFile);
      const after = await awaitResponse(context, { claim: "without the policies it is served again", ...served });
      return { findings: [before, ...judged, stream, after], notes: [EXPLAIN] };
    } finally {
      await rm(authorizationFile, { force: true });
    }
  },
};

const EXPLAIN =
  "`entente authz explain --from POD --to SERVICE:PORT` says which rule decides, and what would be allowed.";

async function judgeWorld(context: CheckContext): Promise<readonly Finding[]> {
  const { caller, hello, attacker } = context.cluster;
  return [
    await awaitResponse(context, {
      claim: "with AuthorizationPolicy/only-hello its next request is denied",
      ...{ pod: caller, url: WORLD, expected: DENIED },
    }),
    findEqual("hello is served as before", SERVED, await askInPod(hello, WORLD)),
    findEqual(
      "a POST of hello is denied by AuthorizationPolicy/only-get",
      DENIED,
      await askInPod(hello, WORLD, "POST"),
    ),
    await judgeReport(context),
    findRefused("a client in plaintext is refused", await curlInPod(attacker, WORLD)),
  ];
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
    { everyMs: 200, timeoutMs: cluster.pace.inForceMs, signal },
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
  const stream = await openStreamFromPod(cluster.caller, job, signal);
  const begunAtMs = Date.now();
  await replaceFile(cluster.authorizationFile, `${WORLD_POLICIES}---\n${GREETER_POLICY}`);
  const ender = { begunAtMs, madeAtMs: begunAtMs, pace: cluster.pace };
  return await judgeStreamEnd("a policy that denies a client ends its open stream", stream, ender);
}
