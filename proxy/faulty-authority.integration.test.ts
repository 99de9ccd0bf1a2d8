/** What clients of a sidecar and of the gateway see while the authority that renews certificates fails in every way. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it, type TestContext } from "vitest";
import type { Authority, WorkloadRequest } from "../ca-agent/authority/authority.ts";
import { parseSpiffeId, type SpiffeId, spiffeIdParts } from "../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import type { Clock } from "../mesh/runtime.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { startFastClock } from "../net/fast-clock-fixture.ts";
import { until } from "../net/until-fixture.ts";
import { formatTraffic, startTraffic } from "./counted-requests-fixture.ts";
import { startTestGateway } from "./gateway/gateway-fixture.ts";
import { startInboundSide } from "./inbound-side-fixture.ts";
import { HELLO, meshDestination, WORLD } from "./mesh-identities-fixture.ts";
import { createTestUpstreamDialer, startOutboundSide } from "./outbound-side-fixture.ts";
import { startHoldingApplication } from "./revoked-peers-fixture.ts";
import { createProxyMetrics } from "./telemetry/proxy-metrics.ts";
import { ControlPlaneFixture, openTestAuthority } from "./tls/control-plane/control-plane-fixture.ts";
import { meshOf } from "./tls/control-plane/hello-mesh-fixture.ts";
import { createSvidKey, formatCertificateRequest } from "./tls/csr.ts";
import { startWorkloadTls, type WorkloadTls } from "./tls/workload-tls.ts";

const GATEWAY = parseSpiffeId("spiffe://cluster.local/ns/istio-system/sa/gateway");
const IDENTITIES = [HELLO, WORLD, GATEWAY];
/** Renewal is due at half, and each attempt that fails is followed by the next one within a tenth of the rest. */
const LIFETIME_MS = 24_000;
const SLOW_MS = 1000;
/** The same without attempts that fail one after another. */
const SHORT_LIFETIME_MS = 9000;
const HOUR_MS = 3_600_000;
const PAUSE_MS = 20;
/** A busy machine may keep this process from a renewal for longer than a leaf lasts by the system's clock. */
const AHEAD_MS = 60_000;

/** The pod of each workload. */
function formatPod(identity: SpiffeId, index: number): string {
  const { namespace, serviceAccount } = spiffeIdParts(identity);
  return `
apiVersion: v1
kind: Pod
metadata: { name: pod-${index}, namespace: ${namespace} }
spec: { serviceAccountName: ${serviceAccount}, containers: [{ name: app }] }
status: { podIP: 10.0.0.${index + 1}, phase: Running }
`;
}

type Answer = (request: WorkloadRequest) => Promise<readonly string[]>;

/** One for each attempt of a workload. */
async function listFaults(plane: ControlPlaneFixture, clock: Clock): Promise<readonly Answer[]> {
  // Its own certificate is from now, so its clock is wrong from then on.
  const shifted = async (byMs: number): Promise<Authority> => {
    let wrongBy = 0;
    const authority = await openTestAuthority(join(plane.directory, "ca"), {
      now: () => clock.now() + wrongBy,
      monotonicMs: () => clock.monotonicMs(),
      setTimeout: (action, delayMs) => clock.setTimeout(action, delayMs),
    });
    wrongBy = byMs;
    return authority;
  };
  const [behind, ahead] = [await shifted(-3 * HOUR_MS), await shifted(3 * HOUR_MS)];
  const foreign = await openTestAuthority(join(plane.directory, "foreign"));
  const csrPem = formatCertificateRequest(createSvidKey(), HELLO);
  return [
    () => Promise.reject(new Error("the authority is broken")),
    async () => ["garbage"],
    (request) => plane.authority.signWorkload({ ...request, identity: parseSpiffeId(`${request.identity}-other`) }),
    (request) => plane.authority.signWorkload({ ...request, csrPem }),
    (request) => foreign.signWorkload(request),
    (request) => behind.signWorkload(request),
    (request) => ahead.signWorkload(request),
    async (request) => {
      await new Promise<void>((resolve) => void clock.setTimeout(resolve, SLOW_MS));
      return await plane.authority.signWorkload(request);
    },
  ];
}

/** Three workloads, each with its token. */
async function startWorkloads(plane: ControlPlaneFixture, cleanup: Cleanup): Promise<readonly WorkloadTls[]> {
  plane.judgeToken = async (token) => {
    const identity = IDENTITIES.find((_, index) => token === `token-${index}`);
    return identity === undefined
      ? { kind: "refused", reason: "expired", message: "the token has expired" }
      : { kind: "authenticated", identity };
  };
  plane.change(meshOf("STRICT", IDENTITIES.map(formatPod).join("---")));
  const start = async (identity: SpiffeId, index: number): Promise<WorkloadTls> => {
    const tokenFile = join(plane.directory, `token-${index}`);
    await writeFile(tokenFile, `token-${index}`);
    const workload = { namespace: spiffeIdParts(identity).namespace, name: `pod-${index}` };
    const deps = { log: new RecordingLogger(), random: Math.random };
    const tls = await startWorkloadTls({ ...plane.workloadOptions(), ...deps, identity, tokenFile, workload });
    cleanup.add(() => tls.close());
    await until(() => tls.source.current()?.identity === identity);
    return tls;
  };
  return await Promise.all(IDENTITIES.map(start));
}

/** A sidecar's side and the gateway, both in front of the sidecar of one application. @returns their ports */
async function startPaths(
  workloads: readonly WorkloadTls[],
  { cleanup, clock }: { readonly cleanup: Cleanup; readonly clock: Clock },
): Promise<readonly number[]> {
  const [client, server, edge] = workloads.map(({ source }) => source);
  if (client === undefined || server === undefined || edge === undefined) throw new Error("there are three");
  const application = await startHoldingApplication(cleanup, "http");
  const inbound = await startInboundSide(cleanup, {
    ...{ mode: "STRICT", applicationPort: application.port, protocol: "http", secureContexts: server, clock },
  });
  const destination = meshDestination([inbound.port], { overrides: { protocol: "http" } });
  const outbound = await startOutboundSide(cleanup, { destination, secureContexts: client, clock });
  const meters = createProxyMetrics({ clock });
  const { dialer } = createTestUpstreamDialer(cleanup, { destination, meters, secureContexts: edge, clock });
  const gateway = await startTestGateway(cleanup, inbound.port, { dialer });
  // Each request has a handshake between the sidecars.
  const timer = setInterval(() => outbound.closeIdle(), PAUSE_MS);
  cleanup.add(() => clearInterval(timer));
  return [outbound.port, gateway.port];
}

async function startMesh(lifetimeMs: number, { onTestFinished }: TestContext) {
  const cleanup = new Cleanup();
  onTestFinished(() => cleanup.run());
  const clock = startFastClock(cleanup, 8, AHEAD_MS);
  const plane = await ControlPlaneFixture.start({ lifetimeMs, clock });
  cleanup.add(() => plane.dispose());
  const workloads = await startWorkloads(plane, cleanup);
  const serials = () => workloads.map(({ source }) => source.current()?.certificates[0]?.serialNumber);
  /** Until each has another certificate than now. */
  const renewed = async (): Promise<void> => {
    const before = serials();
    const isRenewed = () => serials().every((serial, index) => serial !== undefined && serial !== before[index]);
    await until(isRenewed);
  };
  return { plane, clock, renewed, traffic: startTraffic(cleanup, await startPaths(workloads, { cleanup, clock })) };
}

// Side by side, because they mostly wait.
describe.concurrent("no request fails", () => {
  it("while renewals get errors, garbage, another's certificate, an expired or a future one", async (test) => {
    const { plane, clock, renewed, traffic } = await startMesh(LIFETIME_MS, test);
    const faults = await listFaults(plane, clock);
    const attempts = new Map<SpiffeId, number>();
    plane.signWorkload = async (request) => {
      const attempt = attempts.get(request.identity) ?? 0;
      attempts.set(request.identity, attempt + 1);
      return await (faults[attempt] ?? plane.authority.signWorkload)(request);
    };
    await renewed();
    const made = IDENTITIES.map((identity) => attempts.get(identity));
    // The new certificates are in use.
    await delay(500);
    const report = await traffic.end();
    const { requests, failures } = report;
    process.stdout.write(`${formatTraffic(report)}; ${made.join(" + ")} attempts\n`);
    expect(failures).toEqual([]);
    for (const count of requests) expect(count).toBeGreaterThan(20);
    expect(made).toEqual(IDENTITIES.map(() => faults.length));
  }, 300_000);

  it("while tokens have expired, the bundle is emptied, and the authority is killed in mid-request", async (test) => {
    const { plane, renewed, traffic } = await startMesh(SHORT_LIFETIME_MS, test);
    const roots = plane.roots.current();
    const rejecting = () => plane.proxies().filter(({ rejections }) => rejections.length > 0).length;
    const writeTokens = (text: (index: number) => string) =>
      Promise.all(IDENTITIES.map((_, index) => writeFile(join(plane.directory, `token-${index}`), text(index))));
    await writeTokens(() => "expired");
    plane.roots.change([]);
    await until(() => rejecting() === IDENTITIES.length);
    await renewed();
    let kills = 0;
    plane.signWorkload = async (request) => {
      kills += 1;
      if (kills > 1) return await plane.authority.signWorkload(request);
      void plane.stop().then(() => plane.listen());
      return await new Promise(() => undefined);
    };
    await renewed();
    // A request that was being signed before is not among them.
    await until(() => kills > IDENTITIES.length);
    plane.roots.change(roots);
    await until(() => plane.proxies().length === IDENTITIES.length && rejecting() === 0);
    const byCertificate = plane.tokens.length;
    await writeTokens((index) => `token-${index}`);
    const withToken = () => new Set(plane.tokens.slice(byCertificate));
    await until(() => IDENTITIES.every((_, index) => withToken().has(`token-${index}`)));
    await renewed();
    const report = await traffic.end();
    const { requests, failures } = report;
    process.stdout.write(`${formatTraffic(report)}; killed in the first of ${kills} signing requests\n`);
    expect(failures).toEqual([]);
    for (const count of requests) expect(count).toBeGreaterThan(20);
  }, 300_000);
});
