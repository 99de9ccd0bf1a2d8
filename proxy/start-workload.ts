import type { Clock, Logger, Random } from "../mesh/runtime.ts";
import { startMemoryRelease } from "../net/memory-release.ts";
import { createScrapes } from "../net/metrics/scrapes.ts";
import { whenAborted } from "../net/when-aborted.ts";
import { startAdminServer } from "./admin/admin-server.ts";
import { mergeAppMetrics, parseAppMetrics } from "./admin/app-metrics.ts";
import { createAppProbes } from "./admin/app-probes.ts";
import { describeCertificates } from "./admin/certificates-view.ts";
import { describeConnection, describeDestination } from "./admin/connections-view.ts";
import { parseAppProbes } from "./admin/parse-app-probes.ts";
import { type AppliedPolicies, describePolicies } from "./admin/policies-view.ts";
import { type Readiness, startMetricsServer, startReadinessServer, startStatusServer } from "./admin/status-server.ts";
import type { ConnectionObserver } from "./connections/connection-observer.ts";
import { observeConnections } from "./connections/observe-connections.ts";
import { createDataPlane, type DataPlane } from "./create-data-plane.ts";
import { EndRequests } from "./lifecycle/end-requests.ts";
import type { ProxyConfig } from "./proxy-config.ts";
import { startAccessLog } from "./telemetry/access-log/start-access-log.ts";
import { createProxyMetrics, type ScrapedMetrics } from "./telemetry/proxy-metrics.ts";
import type { AccessLog } from "./telemetry/request-meter.ts";
import type { DiscoveryClient } from "./tls/control-plane/discovery-client.ts";
import type { SecureContextSource } from "./tls/secure-context-source.ts";
import type { SvidManager } from "./tls/svid-manager.ts";
import { startWorkloadTls } from "./tls/workload-tls.ts";

export interface WorkloadDeps {
  readonly config: ProxyConfig;
  readonly version: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/** Shared by sidecar and gateway: an identity, the control plane's data, and tracked connections. */
export interface Workload extends WorkloadDeps {
  readonly secureContexts: SecureContextSource;
  /** Resolves when a trust bundle has been accepted. Before that no peer may be served: it may be revoked. */
  readonly firstBundle: Promise<void>;
  readonly discovery: DiscoveryClient;
  readonly plane: DataPlane;
  readonly observer: ConnectionObserver;
  readonly metrics: ScrapedMetrics;
  /** `undefined`: off. */
  readonly accessLog: AccessLog | undefined;
  /**
   * What the role itself still lacks before it is ready; `undefined`: nothing. The certificate is checked separately.
   */
  setReadiness(fault: () => string | undefined): void;
  /** The policies in force, for the administration port. */
  showPolicies(policies: AppliedPolicies): void;
  /** A container of the pod may ask the proxy to exit (`/quitquitquit`) or to drain (`/drain`). */
  readonly requests: EndRequests;
  stop(): Promise<void>;
}

/**
 * Starts everything that needs no certificate: status and admin servers, and the request for the certificate. @param
 * signal SIGTERM.
 */
export async function startWorkload(deps: WorkloadDeps, signal: AbortSignal): Promise<Workload> {
  const core = await startCore(deps);
  const { plane, tls, metrics } = core;
  const requests = new EndRequests(deps.clock);
  void whenAborted(signal).then(() => requests.add("stop"));
  let roleFault: () => string | undefined = () => "the proxy is starting";
  let policies: AppliedPolicies | undefined;
  const readiness = (): Readiness => decideReadiness(tls.svid, requests.begun, roleFault);
  const servers = await startServers({ ...deps, core, readiness, requests, policies: () => policies });
  const memory = startMemoryRelease(deps);
  return {
    ...deps,
    secureContexts: tls.source,
    firstBundle: tls.firstBundle,
    discovery: tls.discovery,
    plane,
    metrics,
    accessLog: core.accessLog,
    observer: core.observer,
    setReadiness: (fault) => {
      roleFault = fault;
    },
    showPolicies: (applied) => {
      policies = applied;
    },
    requests,
    stop: async () => {
      memory.stop();
      plane.close();
      tls.close();
      await Promise.all(servers.map((server) => server.stop()));
      await core.accessLog?.close();
    },
  };
}

type Core = Awaited<ReturnType<typeof startCore>>;

async function startCore(deps: WorkloadDeps) {
  const { config, clock, random, log, version } = deps;
  const address = `${bracketed(config.controlPlane.host)}:${config.controlPlane.port}`;
  const metrics = createProxyMetrics({
    clock,
    version: deps.version,
    maxPageBytes: config.maxMetricsBytes,
    views: {
      certificateNotAfterMs: () => tls.svid.state().held?.notAfterMs,
      isControlPlaneConnected: () => tls.discovery.isConnected(),
      activeConnections: () => plane.registry.size,
      pendingHandshakes: () => plane.caps.unproved.size,
      revocations: () => tls.source.trust().revocations?.size ?? 0,
    },
  });
  const workload = { ...config, address, workload: config.pod, version };
  const tls = await startWorkloadTls({ ...workload, clock, random, log, meter: metrics.agent });
  const { source } = tls;
  const file = config.accessLogFile;
  const accessLog = file === undefined ? undefined : startAccessLog({ file, clock, log, metrics });
  const observer = observeConnections({
    ...{ log, metrics, clock, accessLog },
    identity: () => source.current()?.identity,
  });
  const plane: DataPlane = createDataPlane({
    ...{ clock, random, log, observer, accessLog, meters: metrics, tokenMeter: metrics.tokens, secureContexts: source },
    messageLimits: config.messageLimits,
    discovery: {
      watch: (target, listener) => tls.discovery.watchDestination(target, listener),
    },
  });
  return { tls, metrics, accessLog, observer, plane };
}

function decideReadiness(svid: SvidManager, ending: AbortSignal, roleFault: () => string | undefined): Readiness {
  if (ending.aborted) return { ready: false, reason: "the proxy is draining" };
  const certificate = svid.readiness();
  if (!certificate.ready) return certificate;
  const reason = roleFault();
  return reason === undefined ? { ready: true } : { ready: false, reason };
}

interface ServersInput extends WorkloadDeps {
  readonly core: Core;
  readonly readiness: () => Readiness;
  readonly requests: EndRequests;
  readonly policies: () => AppliedPolicies | undefined;
}

async function startServers(input: ServersInput) {
  const { core, config, clock, log, readiness, requests } = input;
  const { tls, plane, metrics } = core;
  const podIp = config.podIp ?? "127.0.0.1";
  const probes = createAppProbes({
    probes: parseAppProbes(config.applicationProbes),
    podIp,
    clock,
    log,
  });
  const views = {
    certificates: () => {
      const material = tls.source.current();
      return material === undefined ? undefined : describeCertificates(material, clock.now());
    },
    destinations: () => plane.destinations.list().map(describeDestination),
    connections: () => plane.registry.list().map((connection) => describeConnection(connection, clock.monotonicMs())),
    policies: () => {
      const applied = input.policies();
      return applied === undefined ? undefined : describePolicies(applied, metrics.verdictTotals);
    },
  };
  const scrapes = createScrapes({ source: metrics, clock });
  const target = parseAppMetrics(config.applicationMetrics);
  const merged = target && { source: metrics, target, podIp, maxBytes: config.maxMetricsBytes, clock, log };
  return await Promise.all([
    startAdminServer({ views, log }),
    startStatusServer({
      ...{ readiness, probes, log },
      metrics: merged === undefined ? scrapes : createScrapes({ source: mergeAppMetrics(merged), clock }),
      onQuit: () => requests.add("quit"),
      onDrain: () => requests.add("drain"),
    }),
    startReadinessServer({ port: 15021, readiness, log }),
    startMetricsServer({ port: 15090, metrics: scrapes, log }),
  ]);
}

function bracketed(host: string): string {
  return host.includes(":") ? `[${host}]` : host;
}
