import type { PathNormalization } from "../../mesh/policy/authorization/authorization.ts";
import type { ConnectionPool, Destination, Endpoint, MeshDestination, WorkloadInfo } from "../../mesh/policy/types.ts";
import type { Random } from "../../mesh/runtime.ts";
import { formatSocketAddress, type SocketAddress } from "../../net/socket-address.ts";
import type { CapturedConnection } from "../capture/capture-listener.ts";
import type { ConnectionObserver } from "../connections/connection-observer.ts";
import type { ConnectionRegistry } from "../connections/connection-registry.ts";
import { judgeOnce } from "../connections/judge-once.ts";
import { decideProtocol, type ProtocolDecision } from "../http/detection/decide-protocol.ts";
import type { DownstreamOptions, RequestFault } from "../http/downstream/downstream-options.ts";
import { type ServedClient, serveClient } from "../http/downstream/serve-client.ts";
import type { DownstreamFacts } from "../http/exchange/exchange-client.ts";
import type { HttpContext } from "../http/http-context.ts";
import { idleMsOf } from "../http/http-limits.ts";
import type { DialFailureCause, UpstreamFailure } from "../http/pool/dial-failure.ts";
import { UpstreamPool } from "../http/pool/upstream-pool.ts";
import type { DialedUpstream } from "../http/upstream/upstream-connection.ts";
import type { HttpProtocol } from "../messages/http-version.ts";
import type { RequestHead } from "../messages/message-head.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";
import type { DestinationCache } from "./destination-cache.ts";
import { DestinationPools, type PooledDestination, type ResolvedDestination } from "./destination-pools.ts";
import type { DialedConnection, Dialer, DialFailureReason } from "./dial-destination.ts";
import { createReuseCheck } from "./is-still-allowed.ts";
import { HTTP_ALPN, HTTP2_ALPN, isHttp2Alpn } from "./originate-tls.ts";
import { RequestPlanner } from "./plan-request.ts";
import { reportFailedHandshake, trackUpstream } from "./track-upstream.ts";
import { upstreamFacts } from "./upstream-facts.ts";

export interface OutboundHttpOptions {
  readonly context: HttpContext;
  readonly destinations: DestinationCache;
  readonly dialer: Dialer;
  readonly registry: ConnectionRegistry;
  readonly observer: ConnectionObserver;
  readonly secureContexts: SecureContextSource;
  readonly random: Random;
  /** This workload, for metrics. */
  readonly workload: () => WorkloadInfo | undefined;
  /** The mesh's, which the policy of this workload contains. */
  readonly pathNormalization: () => PathNormalization;
}

export interface OutboundClient {
  readonly connection: CapturedConnection;
  /** `ip:port`. */
  readonly client: string;
  readonly destination: PooledDestination;
  /** What it speaks. */
  readonly protocol: HttpProtocol;
  /** What has already been read from it. */
  readonly early: Buffer;
  readonly onFault: (fault: RequestFault) => void;
}

/** What all connections to one destination share. */
type SharedOptions = Pick<DownstreamOptions, "planRequest" | "isCurrent"> &
  Pick<DownstreamFacts, "destination" | "meter">;

/** Traffic to destinations outside the mesh is never parsed. */
export function protocolOf(destination: Destination): ProtocolDecision {
  return destination.kind === "mesh" ? decideProtocol(destination.protocol, undefined) : "stream";
}

/** The HTTP side of a pod's outbound traffic: requests go over pooled connections, each by its route. */
export class OutboundHttp {
  readonly pools: DestinationPools;
  readonly context: HttpContext;
  readonly #options: OutboundHttpOptions;
  readonly #planner: RequestPlanner;
  readonly #shared = new WeakMap<PooledDestination, SharedOptions>();

  constructor(options: OutboundHttpOptions) {
    this.#options = options;
    this.context = options.context;
    this.pools = new DestinationPools({
      destinations: options.destinations,
      createPool: (destination, onEmpty) =>
        new UpstreamPool({
          endpoints: () => endpointsOf(destination.current()),
          describe: () => describe(destination.current()),
          dial: (endpoint, protocol, signal) => this.#dial(destination, { endpoint, protocol, signal }),
          settings: () => settingsOf(destination.current()),
          messageLimits: options.context.messageLimits,
          deadlines: options.context.deadlines,
          idleQuota: options.context.idleQuota,
          closing: options.context.drain.closing,
          random: options.random,
          onEmpty,
        }),
    });
    this.#planner = new RequestPlanner({ pools: this.pools, random: options.random });
  }

  /** Serves the application's requests on one connection until it is closed. */
  serve({ connection, client, destination, protocol, early, onFault }: OutboundClient): ServedClient {
    const shared = this.#sharedOf(connection, destination);
    return serveClient(connection.socket, {
      protocol,
      facts: { direction: "outbound", client, destination: shared.destination, peer: "", meter: shared.meter },
      context: this.context,
      planRequest: shared.planRequest,
      pathNormalization: this.#options.pathNormalization,
      early,
      isCurrent: shared.isCurrent,
      onFault,
    });
  }

  #sharedOf(connection: CapturedConnection, destination: PooledDestination): SharedOptions {
    const known = this.#shared.get(destination);
    if (known !== undefined) return known;
    const shared = {
      destination: formatSocketAddress(connection.destination),
      planRequest: (head: RequestHead) => this.#planner.plan(head, destination),
      isCurrent: judgeOnce(destination.current, (current) => protocolOf(current) !== "stream"),
      meter: () => {
        const resolved = destination.current();
        const service = resolved.kind === "mesh" ? resolved.service : undefined;
        return this.context.meters.requestMeter({ ...this.#sourceFacts(), service, security: "unknown" });
      },
    };
    this.#shared.set(destination, shared);
    return shared;
  }

  /** Adopts a connection that was dialled before it was known to carry HTTP. */
  adopt(dialed: DialedConnection, destination: PooledDestination, protocol: HttpProtocol): void {
    const { endpoint, meshEndpoint } = dialed;
    const address = { ip: endpoint.ip, port: endpoint.port, mutualTls: meshEndpoint?.mutualTls === true };
    // It was dialled as a stream: without a negotiated protocol it is for HTTP/1.1 alone.
    if (dialed.peer !== undefined && protocol === "http2") dialed.socket.destroy();
    else destination.pool.adoptIdle(this.#describeUpstream(dialed, destination, protocol), address);
  }

  async #dial(resolved: ResolvedDestination, wanted: WantedUpstream): Promise<DialedUpstream | UpstreamFailure> {
    const { protocol, signal } = wanted;
    const { ip, port } = wanted.endpoint;
    const destination = resolved.current();
    const endpoint = endpointsOf(destination).find((candidate) => candidate.ip === ip && candidate.port === port);
    if (destination.kind !== "mesh" || endpoint === undefined) {
      return { kind: "failed", cause: "no_healthy_endpoint", message: describe(destination) };
    }
    const isLast = destination.endpoints.length === 1;
    const alpnProtocols = protocol === "http2" ? HTTP2_ALPN : HTTP_ALPN;
    const dialed = await this.#options.dialer.dialEndpoint({ destination, endpoint, alpnProtocols, isLast, signal });
    if (dialed.kind === "connected") {
      const isNegotiated = dialed.peer === undefined ? protocol === "http2" : isHttp2Alpn(dialed.alpn);
      return this.#describeUpstream(dialed, resolved, isNegotiated ? "http2" : "http1");
    }
    reportFailedHandshake(dialed, {
      observer: this.#options.observer,
      client: POOL,
      destination: formatSocketAddress({ ip, port }),
    });
    return { kind: "failed", cause: causeOf(dialed.reason), message: dialed.message };
  }

  #describeUpstream(dialed: DialedConnection, resolved: ResolvedDestination, protocol: HttpProtocol): DialedUpstream {
    const { context, registry, observer, secureContexts } = this.#options;
    const { socket, endpoint, peer, generation } = dialed;
    const wouldBeTheSame = createReuseCheck(resolved.current, dialed);
    const { clock } = context;
    const tracked = trackUpstream(dialed, { registry, observer, clock, client: POOL, destination: resolved });
    const facts = upstreamFacts(dialed, {
      source: this.#options.workload(),
      own: secureContexts.current()?.identity,
      destination: resolved.current(),
    });
    return {
      kind: "connected",
      socket,
      protocol,
      address: formatSocketAddress(endpoint),
      peer: peer?.identity ?? "",
      idleMs: settingsOf(resolved.current()).idleTimeoutMs ?? idleMsOf(protocol, peer !== undefined),
      cutReason: () => tracked.cutReason,
      isCurrent: () =>
        tracked.mayCarry() &&
        wouldBeTheSame() &&
        (peer === undefined || secureContexts.current()?.generation === generation),
      meter: context.meters.requestMeter(facts),
    };
  }

  #sourceFacts() {
    return { reporter: "source", source: this.#options.workload() } as const;
  }
}

interface WantedUpstream {
  readonly endpoint: SocketAddress;
  readonly protocol: HttpProtocol;
  readonly signal: AbortSignal;
}

/** Names the source of its connections in the log. */
const POOL = "http pool";

const NO_ENDPOINTS: readonly Endpoint[] = [];

const NO_SETTINGS: ConnectionPool = { httpVersion: "client" };

function settingsOf(destination: Destination): ConnectionPool {
  return destination.kind === "mesh" ? destination.connectionPool : NO_SETTINGS;
}

function endpointsOf(destination: ReturnType<PooledDestination["current"]>): readonly Endpoint[] {
  return destination.kind === "mesh" ? destination.endpoints : NO_ENDPOINTS;
}

function describe(destination: ReturnType<PooledDestination["current"]>): string {
  return destination.kind === "mesh" ? describeMesh(destination) : "the destination is not a service of the mesh";
}

function describeMesh({ host, port, subset }: MeshDestination): string {
  return `${host}:${port}${subset === "" ? "" : ` subset ${subset}`} has no ready endpoint`;
}

function causeOf(reason: DialFailureReason): DialFailureCause {
  switch (reason) {
    case "connect_failed":
      return "connect";
    case "no_healthy_endpoint":
      return "no_healthy_endpoint";
    case "refused_destination":
      return "refused";
    default:
      return "tls";
  }
}
