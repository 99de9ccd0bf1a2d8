import type { Random } from "../../../mesh/runtime.ts";
import { formatSocketAddress, type SocketAddress } from "../../../net/socket-address.ts";
import type { UpstreamConnection } from "../upstream/upstream-connection.ts";
import { EndpointTraffic } from "./endpoint-traffic.ts";
import type { SharedConnections } from "./shared-connections.ts";

/** An endpoint of a destination, and whether it is reached by mutual TLS. */
export interface PoolEndpoint extends SocketAddress {
  readonly mutualTls: boolean;
}

/** One endpoint of a pool: its connections and its state. */
export interface EndpointState {
  /** `ip:port`. */
  readonly key: string;
  readonly ip: string;
  readonly port: number;
  mutualTls: boolean;
  /** HTTP/2 connections. Created when the first is wanted. */
  shared: SharedConnections | undefined;
  /** It has not negotiated HTTP/2, and is not asked again until this time, by the pool's clock. */
  http1UntilMs: number;
  /** HTTP/1.1 connections that take requests. Last in, first out: the others may reach the idle timeout. */
  readonly available: UpstreamConnection[];
  /** Requests in progress and connections being dialled. */
  active: number;
  readonly traffic: EndpointTraffic;
  /** Consecutive failed connects. */
  failures: number;
  /** Avoided until this time, by the pool's clock. */
  avoidedUntilMs: number;
  /** When its server last announced the end of a connection, by the pool's clock. */
  endedMs: number;
  /** No longer an endpoint of the destination: no connection is kept. */
  isRemoved: boolean;
}

export function createEndpointState({ ip, port, mutualTls }: PoolEndpoint): EndpointState {
  return {
    key: formatSocketAddress({ ip, port }),
    ip,
    port,
    mutualTls,
    shared: undefined,
    http1UntilMs: 0,
    available: [],
    active: 0,
    traffic: new EndpointTraffic(),
    failures: 0,
    avoidedUntilMs: 0,
    endedMs: Number.NEGATIVE_INFINITY,
    isRemoved: false,
  };
}

export interface ChooseOptions {
  readonly nowMs: number;
  readonly random: Random;
  /** Keys of endpoints that this request has already tried. */
  readonly tried: ReadonlySet<string> | undefined;
}

/** How many endpoints are compared: visiting all endpoints of a large service for each request would cost too much. */
const SCANNED = 16;

/**
 * Least requests: the endpoint with the fewest in progress, with random tie-breaking. Of more than 16, a random sample
 * of that size is compared. A recently unreachable endpoint is chosen only if there is no other.
 */
export function chooseEndpoint(endpoints: readonly EndpointState[], options: ChooseOptions): EndpointState | undefined {
  if (endpoints.length === 1) {
    const [only] = endpoints;
    return only !== undefined && options.tried?.has(only.key) === true ? undefined : only;
  }
  const start = Math.floor(options.random() * endpoints.length);
  let best: EndpointState | undefined;
  let bestScore = Number.POSITIVE_INFINITY;
  let seen = 0;
  for (let step = 0; step < endpoints.length && (seen < SCANNED || bestScore >= AVOIDED); step += 1) {
    const endpoint = endpoints[(start + step) % endpoints.length];
    if (endpoint === undefined || options.tried?.has(endpoint.key) === true) continue;
    seen += 1;
    const score = endpoint.active + (endpoint.avoidedUntilMs > options.nowMs ? AVOIDED : 0);
    if (score >= bestScore) continue;
    best = endpoint;
    bestScore = score;
  }
  return best;
}

/** More than any number of requests in progress. */
const AVOIDED = 1e9;

const FIRST_PENALTY_MS = 1000;
const LONGEST_PENALTY_MS = 30_000;

/** How long an endpoint is avoided after this many consecutive failed connects. */
export function penaltyMs(failures: number): number {
  return Math.min(FIRST_PENALTY_MS * 2 ** (failures - 1), LONGEST_PENALTY_MS);
}
