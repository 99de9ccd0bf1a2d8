import { Registry } from "prom-client";
import type { Authority } from "../ca-agent/authority/authority.ts";
import { openAuthority } from "../ca-agent/authority/open-authority.ts";
import { createIssuingMetrics } from "../ca-agent/issuing-metrics.ts";
import { type IssuingServiceDeps, registerIssuingService } from "../ca-agent/issuing-service.ts";
import { createJwtAuthenticator } from "../ca-agent/workload-auth/jwt-authenticator.ts";
import { createControlPlaneMetrics } from "../control-plane/control-plane-metrics.ts";
import { startControlPlaneServer } from "../control-plane/control-plane-server.ts";
import { registerDiscoveryService } from "../discovery/discovery-service.ts";
import { startFolderSource } from "../discovery/folder-source.ts";
import { startAnalysisReport } from "../discovery/report-analysis.ts";
import { type Logger, type LogLimiter, systemClock } from "../mesh/runtime.ts";
import { startLocalHttpServer } from "../net/local-http-server.ts";
import { createLogLimiter } from "../net/log-limiter.ts";
import { startMemoryRelease } from "../net/memory-release.ts";
import { answerScrape } from "../net/metrics/answer-scrape.ts";
import { createMetricsSource } from "../net/metrics/metrics-page.ts";
import { createScrapes } from "../net/metrics/scrapes.ts";
import type { Command, CommandContext } from "./command.ts";
import { CONTROL_PLANE_USAGE, type ControlPlaneOptions, parseControlPlaneOptions } from "./control-plane-options.ts";

/** Names under which sidecars and API servers know the control plane; its own certificate carries them. */
const SERVING_NAMES = [
  "istiod.istio-system.svc",
  "istiod.istio-system.svc.cluster.local",
  "istiod.istio-system",
  "localhost",
];

/** Of each kind that callers cause: any pod of the cluster may call. */
const CALLER_LINES_PER_SECOND = 20;

/** The certificate authority and the discovery streams, in one process on one port. */
export const controlPlaneCommand: Command = {
  name: "control-plane",
  summary: "sign the sidecars' certificates and tell them what to do",
  usage: CONTROL_PLANE_USAGE,
  run: async (args, context) => {
    const stop = await startControlPlane(parseControlPlaneOptions(args), context);
    await new Promise<void>((resolve) => {
      if (context.signal.aborted) resolve();
      context.signal.addEventListener("abort", () => resolve(), { once: true });
    });
    await stop();
    return 0;
  },
};

async function startControlPlane(options: ControlPlaneOptions, context: CommandContext): Promise<() => Promise<void>> {
  const { signal, log } = context;
  const { settings } = options;
  const clock = systemClock;
  const authority = await openAuthority({
    directory: options.caDirectory,
    trustDomain: settings.trustDomain,
    clock,
    log,
  });
  const source = await startFolderSource({ folders: options.configFolders, log, clock, signal });
  const stopReport = startAnalysisReport({ source, settings, log });
  const registry = new Registry();
  const limitLog = createLogLimiter(clock, CALLER_LINES_PER_SECOND);
  const issuing = createIssuing(options, { authority, registry, log, limitLog });
  const roots = {
    current: authority.roots,
    subscribe: (listener: () => void) => authority.subscribe(() => listener()),
  };
  const server = await startControlPlaneServer({
    port: options.port,
    authority,
    trustDomains: [settings.trustDomain, ...settings.trustDomainAliases],
    dnsNames: SERVING_NAMES,
    routes: (router) => {
      registerIssuingService(router, issuing);
      registerDiscoveryService(router, { source, roots, settings, clock, log, limitLog, shutdown: signal });
    },
    clock,
    log,
    limitLog,
    metrics: createControlPlaneMetrics(registry),
  });
  const status = await startStatus(options.metricsPort, registry, log);
  const memory = startMemoryRelease({ clock, log });
  log.info({ component: "control-plane", config: options.configFolders }, "the control plane is ready");
  return async () => {
    stopReport();
    memory.stop();
    await Promise.all([server.close(), status.stop()]);
  };
}

interface IssuingParts {
  readonly authority: Authority;
  readonly registry: Registry;
  readonly log: Logger;
  readonly limitLog: LogLimiter;
}

function createIssuing(options: ControlPlaneOptions, parts: IssuingParts): IssuingServiceDeps {
  const { authority, registry, log, limitLog } = parts;
  const { defaultLifetimeMs, maxLifetimeMs, jwksFile, tokenIssuer, settings } = options;
  const clock = systemClock;
  return {
    authority,
    authenticator: createJwtAuthenticator({
      jwksFile,
      issuer: tokenIssuer,
      trustDomain: settings.trustDomain,
      clock,
      log,
    }),
    clock,
    log,
    limitLog,
    metrics: createIssuingMetrics({ registry, authority, clock }),
    defaultLifetimeMs,
    maxLifetimeMs,
  };
}

/** Port 15014, as istiod's: `/metrics` and `/ready`. */
async function startStatus(port: number, registry: Registry, log: CommandContext["log"]) {
  const scrapes = createScrapes({ source: createMetricsSource({ registry }), clock: systemClock });
  return await startLocalHttpServer({
    port,
    log,
    respond: async ({ path, remoteAddress }) => {
      if (path === "/ready") return { status: 200, body: "ready\n" };
      if (path !== "/metrics") return { status: 404, body: "there is /metrics and /ready\n" };
      return await answerScrape(scrapes, remoteAddress);
    },
  });
}
