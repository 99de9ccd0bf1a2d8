import { formatSocketAddress, type SocketAddress } from "../../../net/socket-address.ts";
import type { AbortReason } from "../../messages/abort-reason.ts";
import { MAX_ENDPOINTS_TRIED, MAX_IDLE_PER_ENDPOINT } from "../http-limits.ts";
import { connectUpstream } from "./connect-upstream.ts";
import type { UpstreamFailure } from "./dial-failure.ts";
import { chooseEndpoint, createEndpointState, type EndpointState, penaltyMs } from "./endpoint-state.ts";
import type { DialedUpstream, UpstreamConnection } from "./upstream-connection.ts";
import type { UpstreamPoolOptions } from "./upstream-pool-options.ts";
import type { UpstreamStream } from "./upstream-stream.ts";

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
 * The kept connections of one destination, by endpoint. Requests go to the endpoint with the fewest requests in
 * progress, and there to a connection with a free place for a stream; one that would not be made the same way now is
 * closed instead of used.
 */
export class UpstreamPool {
  readonly #options: UpstreamPoolOptions;
  readonly #byKey = new Map<string, EndpointState>();
  #addresses: readonly SocketAddress[] | undefined;
  #endpoints: readonly EndpointState[] = [];
  readonly #connections = new Set<UpstreamConnection>();

  constructor(options: UpstreamPoolOptions) {
    this.#options = options;
  }

  /** Connections, idle or not. */
  get size(): number {
    return this.#connections.size;
  }

  /** Requests in progress and dials. */
  get active(): number {
    let active = 0;
    for (const endpoint of this.#byKey.values()) active += endpoint.active;
    return active;
  }

  get hasSeveralEndpoints(): boolean {
    return this.#options.endpoints().length > 1;
  }

  hasEndpointExcept(tried: ReadonlySet<string>): boolean {
    return this.#current().some(({ key }) => !tried.has(key));
  }

  /** Prefers other endpoints for a while. */
  avoid(endpoint: EndpointState): void {
    endpoint.failures += 1;
    endpoint.avoidedUntilMs = this.#options.deadlines.nowMs + penaltyMs(endpoint.failures);
  }

  /** Takes a place on a connection of the chosen endpoint; `undefined` if one must be dialled. */
  take(tried: TriedEndpoints | undefined): TakenUpstream | undefined {
    const endpoint = this.#choose(tried);
    if (endpoint === undefined) return undefined;
    for (let connection = endpoint.available.pop(); connection !== undefined; connection = endpoint.available.pop()) {
      connection.place.isListed = false;
      this.#leaveIdle(connection);
      if (!connection.isReusable) {
        connection.closeIdle();
        continue;
      }
      endpoint.active += 1;
      return this.#open(connection, endpoint);
    }
    return undefined;
  }

  /** Dials the chosen endpoint, and the next one if that fails, until all or three were tried. */
  async dial(tried: TriedEndpoints, signal: AbortSignal): Promise<TakenUpstream | UpstreamFailure> {
    let failure: UpstreamFailure | undefined;
    for (let attempt = 0; attempt < MAX_ENDPOINTS_TRIED; attempt += 1) {
      const endpoint = this.#choose(tried);
      if (endpoint === undefined) break;
      endpoint.active += 1;
      const dialed = await this.#options.dial(endpoint, signal);
      if (dialed.kind === "connected") return this.#open(this.#adopt(dialed, endpoint), endpoint);
      endpoint.active -= 1;
      this.#forgetIfUnused(endpoint);
      failure = dialed;
      if (signal.aborted) break;
      tried.add(endpoint.key);
      this.avoid(endpoint);
    }
    return failure ?? { kind: "failed", cause: "no_healthy_endpoint", message: this.#options.describe() };
  }

  /** Adopts an idle connection to this destination that was dialled elsewhere. */
  adoptIdle(dialed: DialedUpstream, address: SocketAddress): void {
    const endpoint = this.#stateOf(address);
    this.#settle(this.#adopt(dialed, endpoint), endpoint);
  }

  /** After the response: the stream's place is free again, if the connection can be reused. */
  release({ connection, stream, endpoint }: TakenUpstream): void {
    endpoint.active -= 1;
    stream.release();
    // Until the control plane withdraws it, each request there would need a handshake.
    if (connection.isLeaving) this.avoid(endpoint);
    this.#settle(connection, endpoint);
  }

  /** The request was aborted. */
  discard({ connection, stream, endpoint }: TakenUpstream, reason: AbortReason): void {
    endpoint.active -= 1;
    stream.abort(reason);
    this.#settle(connection, endpoint);
  }

  /** A stream has ended: its connection is kept, goes on with its other streams, or is closed. */
  #settle(connection: UpstreamConnection, endpoint: EndpointState): void {
    const { place } = connection;
    if (connection.isIdle && place.idleSinceMs === undefined) {
      if (connection.isReusable && this.#mayKeep(endpoint)) place.idleSinceMs = this.#options.deadlines.nowMs;
      else connection.closeIdle();
    }
    if (connection.capacity > 0) this.#list(connection, endpoint);
    this.#forgetIfUnused(endpoint);
  }

  #list(connection: UpstreamConnection, endpoint: EndpointState): void {
    if (connection.place.isListed) return;
    connection.place.isListed = true;
    endpoint.available.push(connection);
  }

  #open(connection: UpstreamConnection, endpoint: EndpointState): TakenUpstream {
    const stream = connection.openStream();
    if (connection.capacity > 0) this.#list(connection, endpoint);
    return { kind: "taken", connection, stream, endpoint };
  }

  #leaveIdle({ place }: UpstreamConnection): void {
    if (place.idleSinceMs === undefined) return;
    place.idleSinceMs = undefined;
    this.#options.idleQuota.release();
  }

  /** Whether the endpoint may have one more idle connection. If so, it is counted. */
  #mayKeep(endpoint: EndpointState): boolean {
    const { closing, idleQuota } = this.#options;
    if (endpoint.isRemoved || closing.aborted || endpoint.available.length >= MAX_IDLE_PER_ENDPOINT) return false;
    return idleQuota.tryTake();
  }

  /** The connection has become a tunnel and leaves the pool. */
  detach({ endpoint }: TakenUpstream): void {
    endpoint.active -= 1;
    this.#forgetIfUnused(endpoint);
  }

  /** Closes connections that were idle too long. */
  checkDeadline(nowMs: number): void {
    this.#closeIdle(({ place, idleMs }) => nowMs - (place.idleSinceMs ?? nowMs) >= idleMs);
  }

  /** Closes connections that would not be dialled the same way now: after a new certificate, bundle or destination. */
  closeStale(): void {
    this.#closeIdle((connection) => !connection.isReusable);
  }

  /** Closes idle connections. */
  closeIdle(): void {
    this.#closeIdle(() => true);
  }

  #closeIdle(condition: (connection: UpstreamConnection) => boolean): void {
    for (const endpoint of this.#byKey.values()) {
      for (const connection of endpoint.available.filter(condition)) connection.closeIdle();
    }
  }

  #choose(tried: TriedEndpoints | undefined): EndpointState | undefined {
    const { deadlines, random } = this.#options;
    return chooseEndpoint(this.#current(), { nowMs: deadlines.nowMs, random, tried });
  }

  /** The states of the current endpoints; removed endpoints close their idle connections. */
  #current(): readonly EndpointState[] {
    const addresses = this.#options.endpoints();
    if (addresses === this.#addresses) return this.#endpoints;
    this.#addresses = addresses;
    const endpoints = addresses.map((address) => this.#stateOf(address));
    const keys = new Set(endpoints.map(({ key }) => key));
    for (const [key, state] of this.#byKey) {
      state.isRemoved = !keys.has(key);
      if (!state.isRemoved) continue;
      for (const connection of [...state.available]) connection.closeIdle();
      if (state.active === 0) this.#byKey.delete(key);
    }
    this.#endpoints = endpoints;
    return endpoints;
  }

  #stateOf({ ip, port }: SocketAddress): EndpointState {
    const key = formatSocketAddress({ ip, port });
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const state = createEndpointState({ ip, port });
    this.#byKey.set(key, state);
    return state;
  }

  #forgetIfUnused(endpoint: EndpointState): void {
    if (endpoint.active > 0 || endpoint.available.length > 0 || !endpoint.isRemoved) return;
    this.#byKey.delete(endpoint.key);
  }

  #adopt(dialed: DialedUpstream, endpoint: EndpointState): UpstreamConnection {
    endpoint.failures = 0;
    endpoint.avoidedUntilMs = 0;
    const { connect = connectUpstream, messageLimits, deadlines } = this.#options;
    const onClosed = (closed: UpstreamConnection): void => this.#forget(closed, endpoint);
    const connection = connect(dialed, { onClosed }, messageLimits);
    if (this.#connections.size === 0) deadlines.add(this);
    this.#connections.add(connection);
    return connection;
  }

  #forget(connection: UpstreamConnection, endpoint: EndpointState): void {
    const at = connection.place.isListed ? endpoint.available.indexOf(connection) : -1;
    if (at >= 0) endpoint.available.splice(at, 1);
    connection.place.isListed = false;
    this.#leaveIdle(connection);
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    this.#options.deadlines.delete(this);
    this.#options.onEmpty?.();
  }
}
