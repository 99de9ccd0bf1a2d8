import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { Destination, Inbound, ServiceInfo, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import type { CapturedConnection } from "../../proxy/capture/capture-listener.ts";
import { createConnectionRegistry } from "../../proxy/connections/connection-registry.ts";
import { isStillTrusted } from "../../proxy/connections/decide-revalidation.ts";
import { observeConnections } from "../../proxy/connections/observe-connections.ts";
import { createCapturedCapacity } from "../../proxy/connections/tracked-connection.ts";
import { createHttpContext } from "../../proxy/http/http-context.ts";
import { InboundHttp } from "../../proxy/inbound/inbound-http.ts";
import { createInboundHandler } from "../../proxy/inbound/inbound-pipeline.ts";
import { createOpeningCaps } from "../../proxy/inbound/opening-limits.ts";
import { createDestinationCache } from "../../proxy/outbound/destination-cache.ts";
import { createDialer } from "../../proxy/outbound/dial-destination.ts";
import { OutboundHttp } from "../../proxy/outbound/outbound-http.ts";
import { createOutboundHandler } from "../../proxy/outbound/outbound-pipeline.ts";
import { createProxyMetrics } from "../../proxy/telemetry/proxy-metrics.ts";
import type { SecureContextSource } from "../../proxy/tls/secure-context-source.ts";
import type { SideJob } from "./side-job.ts";

export interface SideDeps {
  readonly secureContexts: SecureContextSource;
  readonly clock: Clock;
  readonly log: Logger;
}

/** As the sidecar sets them. */
const LIMITS = {
  handshakeTimeoutMs: 10_000,
  silenceMs: 100,
  silenceTimeoutMs: 3_600_000,
  connectTimeoutMs: 10_000,
  halfOpenIdleMs: 3_600_000,
};

const SERVICE: ServiceInfo = { host: "server.bench.svc.cluster.local", name: "server", namespace: "bench" };

/** What the sidecar's inbound or outbound side does with a connection, assembled as the sidecar assembles it. */
export function createSide(job: SideJob, deps: SideDeps): (connection: CapturedConnection) => void {
  const { secureContexts, clock, log } = deps;
  const metrics = createProxyMetrics({ clock });
  const observer = observeConnections({ log, metrics, clock, identity: () => secureContexts.current()?.identity });
  const registry = createConnectionRegistry({
    isTrusted: (peer) => isStillTrusted(peer, secureContexts.current()),
    onCut: observer.cut,
  });
  const capacity = createCapturedCapacity({ limit: 100_000, clock, observer });
  const common = { clock, registry, capacity, observer };
  const context = createHttpContext({ clock, log, random: Math.random, meters: metrics });
  if (job.side === "server") {
    return createInboundHandler({
      ...common,
      secureContexts,
      inbound: inboundOf(job),
      caps: createOpeningCaps({ maxUnproved: 1024, maxSilentPlaintext: 1024, maxSilentVerified: 8192 }),
      http: new InboundHttp({ context, random: Math.random, connectTimeoutMs: LIMITS.connectTimeoutMs }),
      limits: LIMITS,
    });
  }
  const destination = destinationOf(job);
  const destinations = createDestinationCache({
    clock,
    watch: (_target, listener) => {
      listener(destination);
      return { close: () => undefined };
    },
  });
  const dialer = createDialer({ secureContexts, clock, random: Math.random });
  const workload = () => workloadOf("client");
  return createOutboundHandler({
    ...common,
    http: new OutboundHttp({
      ...{ context, destinations, dialer, registry, secureContexts, workload },
      random: Math.random,
    }),
    dialer,
    workload,
    halfOpenIdleMs: LIMITS.halfOpenIdleMs,
  });
}

function inboundOf(job: SideJob): () => Inbound {
  const mode = { mode: "STRICT", rule: "PeerAuthentication/default.bench" } as const;
  const inbound: Inbound = {
    workload: workloadOf("server"),
    defaultMode: mode,
    ports: [{ port: job.originalPort, mode, protocol: job.protocol, service: SERVICE }],
  };
  return () => inbound;
}

function destinationOf(job: SideJob): Destination {
  return {
    kind: "mesh",
    host: SERVICE.host,
    port: job.originalPort,
    subset: "",
    protocol: job.protocol,
    sni: `outbound_.${job.originalPort}_._.${SERVICE.host}`,
    identities: [parseSpiffeId(job.peerIdentity)],
    tlsRule: "auto mTLS",
    endpoints: [{ ip: "127.0.0.1", port: job.upstreamPort, mutualTls: true, workload: workloadOf("server") }],
    service: SERVICE,
    routes: [],
  };
}

function workloadOf(name: string): WorkloadInfo {
  return {
    namespace: "bench",
    pod: `${name}-1`,
    workload: name,
    serviceAccount: name,
    app: name,
    version: "v1",
    canonicalService: name,
    canonicalRevision: "v1",
  };
}
