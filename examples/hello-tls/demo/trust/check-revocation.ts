import { join } from "node:path";
import { judgeStreamEnd, openStreamFromPod } from "../authorization/open-stream.ts";
import { awaitResponse } from "../checks/await-response.ts";
import type { Check, CheckContext, CheckResult, Finding } from "../checks/check.ts";
import { countHandshakeFailures } from "../checks/metrics-text.ts";
import { askInPod } from "../pods/demo-pod.ts";
import { pollUntil } from "../poll-until.ts";
import { judgeTraffic } from "./check-root.ts";

const CALLER = "spiffe://cluster.local/ns/hello-grpc/sa/caller";
const WORLD = "http://world.ns2:8080/";
const GREETER = { host: "greeter.hello-grpc", port: 50_051 } as const;
const SERVED = "200 world !!!";
/** By its own sidecar. */
const REFUSED = "503 ";
/** It outlasts the start of a command on a busy machine. */
const STREAM_TIMEOUT_MS = 60_000;

/** m: a client is revoked with all its certificates, and no longer. */
export const checkRevocation: Check = {
  letter: "m",
  title: "Revocation of a client, while requests of others go on",
  suspects: ({ world, caller }) => [world, caller],
  async run(context): Promise<CheckResult> {
    const { cluster, traffic, scratchFolder, signal } = context;
    const requestsBefore = traffic.count();
    const asked = { pod: cluster.caller, url: WORLD };
    const before = await awaitResponse(context, {
      claim: "control: caller is served by world",
      ...{ ...asked, expected: SERVED },
    });
    const job = { ...GREETER, openedFile: join(scratchFolder, "revoked-stream"), timeoutMs: STREAM_TIMEOUT_MS };
    const stream = await openStreamFromPod(cluster.caller, job, signal);
    const begunAtMs = Date.now();
    await runCommand(context, "revoke", ["--reason", "demo"]);
    // The stream may have ended before the command, which reports what it has done.
    const ender = { begunAtMs, madeAtMs: Date.now(), pace: cluster.pace };
    const refused = await awaitResponse(context, {
      claim: `entente ca revoke --identity ${CALLER}: its requests are refused`,
      ...{ ...asked, expected: REFUSED },
    });
    const cut = await judgeStreamEnd("its open gRPC stream to greeter is cut", stream, ender);
    const counted = await judgeMetric(context);
    await runCommand(context, "unrevoke", []);
    const after = await awaitResponse(context, {
      claim: "entente ca unrevoke: it is served again, without a restart",
      ...{ ...asked, expected: SERVED },
    });
    await traffic.stop();
    return { findings: [before, refused, cut, counted, after, judgeTraffic(context, requestsBefore)] };
  },
};

/** @throws Error if it fails */
async function runCommand({ cluster, signal }: CheckContext, action: string, more: readonly string[]): Promise<void> {
  const { status, stderr } = await cluster.ca([action, "--identity", CALLER, ...more], signal);
  if (status !== 0) throw new Error(`entente ca ${action} ended with status ${status}: ${stderr.trim().slice(-300)}`);
}

/** A request that was under way at the revocation is refused without a handshake: another one is sent each time. */
async function judgeMetric({ cluster, signal }: CheckContext): Promise<Finding> {
  const { world, attacker, caller } = cluster;
  const { value } = await pollUntil(
    async () => {
      await askInPod(caller, WORLD);
      return await countHandshakeFailures(world, attacker, { direction: "inbound", reason: "revoked" });
    },
    (count) => count > 0,
    { everyMs: 200, timeoutMs: cluster.pace.inForceMs, signal },
  );
  return {
    claim: 'world counts it: entente_tls_handshake_failures_total{reason="revoked"}',
    passed: value > 0,
    expected: "at least 1",
    seen: String(value),
  };
}
