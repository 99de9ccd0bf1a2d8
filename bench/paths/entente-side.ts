import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { NO_AUTHORIZATION } from "../../mesh/policy/authorization/authorization.ts";
import type { Destination, Inbound, ServiceInfo, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import type { CapturedConnection } from "../../proxy/capture/capture-listener.ts";
import type { ConnectionLimits } from "../../proxy/connections/limits/decide-connection-limits.ts";
import { observeConnections } from "../../proxy/connections/observe-connections.ts";
import { createDataPlane } from "../../proxy/create-data-plane.ts";
import { createProxyMetrics } from "../../proxy/telemetry/proxy-metrics.ts";
import type { SecureContextSource } from "../../proxy/tls/secure-context-source.ts";
import { createPolicies } from "./policy-load.ts";
import type { SideJob } from "./side-job.ts";

export interface SideDeps {
  readonly secureContexts: SecureContextSource;
  readonly clock: Clock;
  readonly log: Logger;
  /** @default by the process's descriptors */
  readonly connectionLimits?: Partial<ConnectionLimits>;
}

const SERVICE: ServiceInfo = { host: "server.bench.svc.cluster.local", name: "server", namespace: "bench" };

/** What the sidecar's inbound or outbound side does with a connection. */
export function createSide(job: SideJob, deps: SideDeps): (connection: CapturedConnection) => void {
  const { secureContexts, clock, log, connectionLimits } = deps;
  const metrics = createProxyMetrics({ clock });
  const destination = destinationOf(job);
  const plane = createDataPlane({
    ...{ clock, log, secureContexts, meters: metrics, random: Math.random },
    ...(connectionLimits !== undefined && { connectionLimits }),
    observer: observeConnections({ log, metrics, clock, identity: () => secureContexts.current()?.identity }),
    discovery: {
      watch: (_target, listener) => {
        listener(destination);
        return { close: () => undefined };
      },
    },
  });
  const workload = workloadOf(job.side);
  const traffic = plane.createSidecar({ inbound: inboundOf(job), workload: () => workload });
  return job.side === "server" ? traffic.inbound : traffic.outbound;
}

function inboundOf(job: SideJob): () => Inbound {
  const mode = { mode: "STRICT", rule: "PeerAuthentication/default.bench" } as const;
  const inbound: Inbound = {
    workload: workloadOf("server"),
    defaultMode: mode,
    ports: [{ port: job.originalPort, mode, protocol: job.protocol, service: SERVICE }],
    authorization: { ...NO_AUTHORIZATION, policies: job.policies === undefined ? [] : createPolicies(job.policies) },
    tokenRules: job.tokenRules ?? [],
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
    connectionPool: { httpVersion: job.hopVersion },
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
