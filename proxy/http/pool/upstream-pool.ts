import type { AbortReason } from "../../messages/abort-reason.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import type { Deadlines } from "../deadlines.ts";
import { HTTP1_PEER_MS, MAX_ENDPOINTS_TRIED } from "../http-limits.ts";
import { connectUpstream } from "../upstream/connect-upstream.ts";
import type { DialedUpstream, UpstreamConnection, UpstreamOptions } from "../upstream/upstream-connection.ts";
import type { UpstreamStream } from "../upstream/upstream-stream.ts";
import { decideHopVersion } from "./decide-hop-version.ts";
import type { UpstreamFailure } from "./dial-failure.ts";
import type { EndpointState, PoolEndpoint } from "./endpoint-state.ts";
import { PoolConnections } from "./pool-connections.ts";
import { PoolEndpoints } from "./pool-endpoints.ts";
import { SharedConnections } from "./shared-connections.ts";
import type { UpstreamPoolOptions } from "./upstream-pool-options.ts";

/** A stream for one request, with its connection and its endpoint. */
export interface TakenUpstream {
  readonly kind: "taken";
  readonly connection: UpstreamConnection;
  readonly stream: UpstreamStream;
  readonly endpoint: EndpointState;
}

/** Endpoints that a request has already tried, by key. */
export type TriedEndpoints = Set<string>;

/**
 * The connections of one destination, by endpoint: kept ones of HTTP/1.1, shared ones of HTTP/2. Requests go to the
 * endpoint with the fewest requests in progress, and there to a connection of the version that `decideHopVersion` wants;
 * one that would not be made the same way now is closed instead of used.
 */
export class UpstreamPool {
  readonly #options: UpstreamPoolOptions;
  readonly #endpoints: PoolEndpoints;
  readonly #connections: PoolConnections;

  constructor(options: UpstreamPoolOptions) {
    this.#options = options;
    this.#endpoints = new PoolEndpoints(options);
    this.#connections = new PoolConnections(options, this.#endpoints);
  }

  /** Connections, idle or not. */
  get size(): number {
    return this.#connections.size;
  }

  /** Whether the destination has as many requests in progress as its settings allow. */
  get isFull(): boolean {
    const { maxRequests } = this.#options.settings();
    return maxRequests !== undefined && this.active >= maxRequests;
  }

  /** Requests in progress and dials. */
  get active(): number {
    return this.#endpoints.active;
  }

  get hasSeveralEndpoints(): boolean {
    return this.#options.endpoints().length > 1;
  }

  hasEndpointExcept(tried: ReadonlySet<string>): boolean {
    return this.#endpoints.hasExcept(tried);
  }

  /** Prefers other endpoints for a while. */
  avoid(endpoint: EndpointState): void {
    this.#endpoints.avoid(endpoint);
  }

  /** Takes a place on a connection of the chosen endpoint; `undefined` if one must be dialled. */
  take(head: RequestHead, tried: TriedEndpoints | undefined): TakenUpstream | undefined {
    const endpoint = this.#endpoints.choose(tried);
    if (endpoint === undefined) return undefined;
    endpoint.traffic.noteRequest(endpoint.active);
    const connection = this.#wantsHttp2(head, endpoint)
      ? (endpoint.shared?.take() ?? this.#takeInstead(head, endpoint))
      : this.#connections.takeKept(endpoint);
    if (connection === undefined) return undefined;
    endpoint.active += 1;
    return this.#open(connection, endpoint);
  }

  /** Dials the chosen endpoint, and the next one if that fails, until all or three were tried. */
  async dial(head: RequestHead, tried: TriedEndpoints, signal: AbortSignal): Promise<TakenUpstream | UpstreamFailure> {
    let failure: UpstreamFailure | undefined;
    for (let attempt = 0; attempt < MAX_ENDPOINTS_TRIED; attempt += 1) {
      const endpoint = this.#endpoints.choose(tried);
      if (endpoint === undefined) break;
      const isShared = this.#wantsHttp2(head, endpoint);
      endpoint.active += 1;
      const dialed = await (isShared ? this.#openShared(endpoint, signal) : this.#openKept(endpoint, signal));
      if (dialed.kind === "taken") return dialed;
      endpoint.active -= 1;
      this.#endpoints.forgetIfUnused(endpoint);
      failure = dialed;
      if (signal.aborted) break;
      tried.add(endpoint.key);
      // A shared dial that failed is counted once, for all requests that waited for it.
      if (!isShared) this.avoid(endpoint);
    }
    return failure ?? { kind: "failed", cause: "no_healthy_endpoint", message: this.#options.describe() };
  }

  #wantsHttp2(head: RequestHead, endpoint: EndpointState): boolean {
    const { settings, deadlines } = this.#options;
    const wanted = decideHopVersion(head, endpoint, settings().httpVersion);
    return wanted === "http2" && endpoint.http1UntilMs <= deadlines.nowMs;
  }

  /** A kept connection that serves a request of HTTP/1.1 while one that it may share is being dialled. */
  #takeInstead({ version }: RequestHead, endpoint: EndpointState): UpstreamConnection | undefined {
    const kept = version === "2" || !endpoint.mutualTls ? undefined : this.#connections.takeKept(endpoint);
    if (kept !== undefined) this.#sharedOf(endpoint).dialMore();
    return kept;
  }

  async #openKept(endpoint: EndpointState, signal: AbortSignal): Promise<TakenUpstream | UpstreamFailure> {
    const dialed = await this.#options.dial(endpoint, "http1", signal);
    return dialed.kind === "failed" ? dialed : this.#open(this.#adopt(dialed, endpoint), endpoint);
  }

  /** Several requests may wait for one dial, and find its connection full. */
  async #openShared(endpoint: EndpointState, signal: AbortSignal): Promise<TakenUpstream | UpstreamFailure> {
    const shared = this.#sharedOf(endpoint);
    const free = shared.take();
    if (free !== undefined) return this.#open(free, endpoint);
    for (let round = 0; round < MAX_ROUNDS; round += 1) {
      const failure = await shared.join(signal);
      if (failure !== undefined) return failure;
      const isRefused = endpoint.http1UntilMs > this.#options.deadlines.nowMs;
      const ready = isRefused ? this.#connections.takeKept(endpoint) : shared.take();
      if (ready !== undefined) return this.#open(ready, endpoint);
      if (isRefused) return await this.#openKept(endpoint, signal);
    }
    return { kind: "failed", cause: "overflow", message: `${endpoint.key} takes no more streams` };
  }

  #sharedOf(endpoint: EndpointState): SharedConnections {
    endpoint.shared ??= new SharedConnections((signal) => this.#dialShared(endpoint, signal));
    return endpoint.shared;
  }

  async #dialShared(endpoint: EndpointState, signal: AbortSignal): Promise<UpstreamFailure | undefined> {
    const { dial, deadlines } = this.#options;
    const dialed = await dial(endpoint, "http2", signal);
    if (dialed.kind === "failed") {
      if (!signal.aborted) this.avoid(endpoint);
      return dialed;
    }
    if (dialed.protocol === "http1") endpoint.http1UntilMs = deadlines.nowMs + HTTP1_PEER_MS;
    const connection = this.#adopt(dialed, endpoint);
    if (dialed.protocol === "http1") {
      this.#connections.settle(connection, endpoint);
      return undefined;
    }
    await connection.ready;
    if (connection.load === 0 && !connection.isIdle) {
      this.avoid(endpoint);
      return { kind: "failed", cause: "connect", message: `${endpoint.key} closed its connection before its SETTINGS` };
    }
    this.#sharedOf(endpoint).noteLimit(connection.capacity + connection.load);
    // Those that wait for it come first.
    setImmediate(() => this.#connections.settle(connection, endpoint));
    return undefined;
  }

  /** Adopts an idle connection to this destination that was dialled elsewhere. */
  adoptIdle(dialed: DialedUpstream, address: PoolEndpoint): void {
    const endpoint = this.#endpoints.stateOf(address);
    this.#connections.settle(this.#adopt(dialed, endpoint), endpoint);
  }

  /** After the response: the stream's place is free again, if the connection can be reused. */
  release({ connection, stream, endpoint }: TakenUpstream): void {
    endpoint.active -= 1;
    stream.release();
    this.#connections.noteEnding(connection, endpoint);
    this.#connections.settle(connection, endpoint);
  }

  /** The request was aborted. */
  discard({ connection, stream, endpoint }: TakenUpstream, reason: AbortReason): void {
    endpoint.active -= 1;
    stream.abort(reason);
    this.#connections.settle(connection, endpoint);
  }

  #open(connection: UpstreamConnection, endpoint: EndpointState): TakenUpstream {
    this.#connections.leaveIdle(connection);
    const stream = connection.openStream();
    return { kind: "taken", connection, stream, endpoint };
  }

  /** The connection has become a tunnel and leaves the pool. */
  detach({ endpoint }: TakenUpstream): void {
    endpoint.active -= 1;
    this.#endpoints.forgetIfUnused(endpoint);
  }

  /**
   * Retires connections that would not be dialled the same way now: after a new certificate, bundle or destination.
   * Their requests go on.
   */
  closeStale(): void {
    this.#connections.retire(({ isReusable }) => !isReusable);
  }

  /** Closes idle connections. */
  closeIdle(): void {
    this.#connections.retire(({ isIdle }) => isIdle);
  }

  #adopt(dialed: DialedUpstream, endpoint: EndpointState): UpstreamConnection {
    endpoint.failures = 0;
    endpoint.avoidedUntilMs = 0;
    const { connect = connectUpstream, messageLimits, deadlines, settings } = this.#options;
    const owner = { onClosed: (closed: UpstreamConnection): void => this.#connections.forget(closed, endpoint) };
    const connection = connect(dialed, { owner, messageLimits, settings, ...clocksOf(deadlines) });
    if (dialed.protocol === "http2") this.#sharedOf(endpoint).add(connection);
    this.#connections.add(connection, endpoint);
    return connection;
  }
}

function clocksOf(deadlines: Deadlines): Pick<UpstreamOptions, "nowMs" | "exactMs"> {
  return { nowMs: () => deadlines.nowMs, exactMs: () => deadlines.exactMs };
}

/** How often a request waits for another shared connection. */
const MAX_ROUNDS = 8;
