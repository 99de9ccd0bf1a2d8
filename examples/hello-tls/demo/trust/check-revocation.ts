import { join } from "node:path";
import { openStreamFromPod, type StreamReport } from "../authorization/open-stream.ts";
import { type Check, type CheckContext, type CheckResult, type Finding, findEqual } from "../checks/check.ts";
import { countHandshakeFailures } from "../checks/metrics-text.ts";
import type { DemoPace } from "../demo-pace.ts";
import { curlInPod, describeCurl } from "../pods/demo-pod.ts";
import { pollUntil } from "../poll-until.ts";
import { judgeTraffic } from "./check-root.ts";

const CALLER = "spiffe://cluster.local/ns/hello-grpc/sa/caller";
const WORLD = "http://world.ns2:8080/";
const GREETER = { host: "greeter.hello-grpc", port: 50_051 } as const;
const SERVED = "200 world !!!";
const STREAM_TIMEOUT_MS = 20_000;
/** A client that is no longer revoked may have to get a new certificate first. */
const BACK_MS = 15_000;

/** m: a client is revoked with all its certificates, and no longer. */
export const checkRevocation: Check = {
  letter: "m",
  title: "Revocation of a client, while requests of others go on",
  suspects: ({ world, caller }) => [world, caller],
  async run(context): Promise<CheckResult> {
    const { cluster, traffic, scratchFolder, signal } = context;
    const before = traffic.count();
    const served = findEqual("control: caller is served by world", SERVED, await ask(context));
    const job = { ...GREETER, openedFile: join(scratchFolder, "revoked-stream"), timeoutMs: STREAM_TIMEOUT_MS };
    const { isOpen, ended } = await openStreamFromPod(cluster.caller, job, signal);
    await runCommand(context, "revoke", ["--reason", "demo"]);
    const revokedAtMs = Date.now();
    const refused = await awaitRefusal(context);
    const findings = [
      served,
      refused,
      describeEnd(isOpen, await ended, revokedAtMs, cluster.pace),
      await judgeMetric(context),
    ];
    await runCommand(context, "unrevoke", []);
    const back = await awaitReturn(context);
    await traffic.stop();
    return { findings: [...findings, back, judgeTraffic(context, before)] };
  },
};

/** @throws Error if it fails */
async function runCommand({ cluster, signal }: CheckContext, action: string, more: readonly string[]): Promise<void> {
  const { status, stderr } = await cluster.ca([action, "--identity", CALLER, ...more], signal);
  if (status !== 0) throw new Error(`entente ca ${action} ended with status ${status}: ${stderr.trim().slice(-300)}`);
}

/** `STATUS BODY` of a request of the caller. */
async function ask({ cluster }: CheckContext): Promise<string> {
  const result = await curlInPod(cluster.caller, WORLD, [], ["--write-out", "\n%{http_code}"]);
  if (!result.isAnswered) return describeCurl(result);
  const [body = "", status = ""] = result.stdout.split(/\n(?=\d{3}$)/);
  return `${status} ${body.trim()}`;
}

async function awaitRefusal(context: CheckContext): Promise<Finding> {
  const { inForceMs } = context.cluster.pace;
  const { value, isReached, elapsedMs } = await pollUntil(
    () => ask(context),
    (seen) => seen.startsWith("503 "),
    { everyMs: 20, timeoutMs: 5 * inForceMs, signal: context.signal },
  );
  return {
    claim: `entente ca revoke --identity ${CALLER}: its requests are refused`,
    passed: isReached && elapsedMs <= inForceMs,
    expected: `503 of its own sidecar, within ${inForceMs} ms`,
    seen: `${value} after ${Math.round(elapsedMs)} ms`,
  };
}

/** It may have ended before the command, which reports what it has done. */
function describeEnd(
  isOpen: boolean,
  { endedAtMs, reason }: StreamReport,
  revokedAtMs: number,
  { inForceMs }: DemoPace,
): Finding {
  const elapsedMs = endedAtMs === 0 ? STREAM_TIMEOUT_MS : Math.max(0, endedAtMs - revokedAtMs);
  return {
    claim: "its open gRPC stream to greeter is cut",
    passed: isOpen && elapsedMs <= inForceMs,
    expected: `an open stream that ends within ${inForceMs} ms`,
    seen: isOpen ? `${reason} after ${elapsedMs} ms` : "no stream",
  };
}

async function judgeMetric({ cluster, signal }: CheckContext): Promise<Finding> {
  const { world, attacker } = cluster;
  const { value } = await pollUntil(
    () => countHandshakeFailures(world, attacker, { direction: "inbound", reason: "revoked" }),
    (count) => count > 0,
    { everyMs: 200, timeoutMs: 3000, signal },
  );
  return {
    claim: 'world counts it: entente_tls_handshake_failures_total{reason="revoked"}',
    passed: value > 0,
    expected: "at least 1",
    seen: String(value),
  };
}

async function awaitReturn(context: CheckContext): Promise<Finding> {
  const { value, isReached, elapsedMs } = await pollUntil(
    () => ask(context),
    (seen) => seen === SERVED,
    { everyMs: 50, timeoutMs: BACK_MS, signal: context.signal },
  );
  return {
    claim: "entente ca unrevoke: it is served again, without a restart",
    passed: isReached,
    expected: `${SERVED}, within ${BACK_MS / 1000} s`,
    seen: `${value} after ${Math.round(elapsedMs)} ms`,
  };
}
