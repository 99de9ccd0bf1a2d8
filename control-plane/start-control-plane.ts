import { randomBytes } from "node:crypto";
import { Registry } from "prom-client";
import type { Authority } from "../ca-agent/authority/authority.ts";
import { openAuthority } from "../ca-agent/authority/open-authority.ts";
import { watchAuthorityDirectory } from "../ca-agent/authority/watch-authority-directory.ts";
import { createIssuingMetrics } from "../ca-agent/issuing-metrics.ts";
import { type IssuingServiceDeps, registerIssuingService } from "../ca-agent/issuing-service.ts";
import { createJwtAuthenticator } from "../ca-agent/workload-auth/jwt-authenticator.ts";
import { startDiscovery } from "../discovery/discovery-service.ts";
import { startFolderSource } from "../discovery/folder/folder-source.ts";
import { startAnalysisReport } from "../discovery/report-analysis.ts";
import type { MeshSettings } from "../mesh/mesh-settings.ts";
import type { Clock, Logger, LogLimiter } from "../mesh/runtime.ts";
import { createLogLimiter } from "../net/log-limiter.ts";
import { countSockets, startMemoryRelease } from "../net/memory-release.ts";
import { createControlPlaneMetrics } from "./control-plane-metrics.ts";
import { type ControlPlaneServer, startControlPlaneServer } from "./control-plane-server.ts";
import { startStatusServer } from "./status-server.ts";

export interface ControlPlaneOptions {
  /** Watched folders of Kubernetes YAML; later ones take precedence. */
  readonly configFolders: readonly string[];
  /** The certificate authority's files, or where a root that is generated at the first start is stored. */
  readonly caDirectory: string;
  /** Public keys of the service account tokens' issuer (RFC 7517). */
  readonly jwksFile: string;
  readonly tokenIssuer: string;
  /** For certificates whose request names no lifetime. */
  readonly defaultLifetimeMs: number;
  readonly maxLifetimeMs: number;
  /** 15012, as istiod's. */
  readonly port: number;
  /** 15014, as istiod's: `/metrics` and `/ready`. */
  readonly metricsPort: number;
  readonly settings: MeshSettings;
}

export interface ControlPlaneDeps {
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends the streams, so that sidecars connect to another control plane. */
  readonly signal: AbortSignal;
}

/** Names under which sidecars and API servers know the control plane; its own certificate carries them. */
const SERVING_NAMES = [
  "istiod.istio-system.svc",
  "istiod.istio-system.svc.cluster.local",
  "istiod.istio-system",
  "localhost",
];

/** For each kind of line that callers cause: any pod of the cluster may call. */
const CALLER_LINES_PER_SECOND = 20;

/**
 * Assembles the control plane: the certificate authority and the discovery streams on one port, metrics and readiness
 * on another. Resolves when both listen, with a function that stops them.
 */
export async function startControlPlane(
  options: ControlPlaneOptions,
  { clock, log, signal }: ControlPlaneDeps,
): Promise<() => Promise<void>> {
  const { settings } = options;
  const { trustDomain } = settings;
  const authority = await openAuthority({ directory: options.caDirectory, trustDomain, clock, log });
  const stopWatching = watchAuthorityDirectory(authority, options.caDirectory, {
    trustDomain,
    clock,
    log,
    randomBytes,
  });
  const source = await startFolderSource({ folders: options.configFolders, log, clock, signal });
  const stopReport = startAnalysisReport({ source, settings, log });
  const registry = new Registry();
  const limitLog = createLogLimiter(clock, CALLER_LINES_PER_SECOND);
  const issuing = createIssuing(options, { authority, registry, clock, log, limitLog });
  const roots = {
    current: authority.roots,
    subscribe: authority.subscribe,
  };
  const discovery = startDiscovery({ source, roots, settings, clock, log, limitLog, shutdown: signal });
  const server = await startControlPlaneServer({
    port: options.port,
    authority,
    trustDomains: [trustDomain, ...settings.trustDomainAliases],
    dnsNames: SERVING_NAMES,
    routes: (router) => {
      registerIssuingService(router, issuing);
      discovery.register(router);
    },
    clock,
    log,
    limitLog,
    metrics: createControlPlaneMetrics(registry),
  });
  const status = await startStatusServer({
    port: options.metricsPort,
    registry,
    proxies: discovery.status,
    clock,
    log,
  });
  const memory = startMemoryRelease({ clock, log, countConnections: countLoad(server) });
  log.info({ component: "control-plane", config: options.configFolders }, "the control plane is ready");
  return async () => {
    stopReport();
    stopWatching();
    authority.stop();
    memory.stop();
    await Promise.all([server.close(), status.stop()]);
  };
}

interface IssuingParts {
  readonly authority: Authority;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: Logger;
  readonly limitLog: LogLimiter;
}

function createIssuing(options: ControlPlaneOptions, parts: IssuingParts): IssuingServiceDeps {
  const { authority, registry, clock, log, limitLog } = parts;
  const { defaultLifetimeMs, maxLifetimeMs, jwksFile, tokenIssuer: issuer } = options;
  const { trustDomain } = options.settings;
  return {
    authority,
    authenticator: createJwtAuthenticator({ jwksFile, issuer, trustDomain, clock, log }),
    trustDomain,
    clock,
    log,
    limitLog,
    metrics: createIssuingMetrics({ registry, authority, clock }),
    defaultLifetimeMs,
    maxLifetimeMs,
  };
}

/** Connections, and calls since the last count: thousands of streams on one connection use as much memory. */
function countLoad(server: Pick<ControlPlaneServer, "callsBegun">): () => number {
  let before = 0;
  return () => {
    const begun = server.callsBegun();
    const recent = begun - before;
    before = begun;
    return countSockets() + recent;
  };
}
