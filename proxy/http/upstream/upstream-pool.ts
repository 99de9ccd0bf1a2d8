import type { Random } from "../../../mesh/runtime.ts";
import { formatSocketAddress, type SocketAddress } from "../../../net/socket-address.ts";
import type { Http1Limits } from "../../http1/http1-limits.ts";
import type { Deadlines } from "../deadlines.ts";
import { MAX_ENDPOINTS_TRIED, MAX_IDLE_PER_ENDPOINT } from "../http-limits.ts";
import type { UpstreamFailureKind } from "../local-reply.ts";
import { chooseEndpoint, type EndpointState, penaltyMs } from "./endpoint-state.ts";
import type { IdleQuota } from "./idle-quota.ts";
import { type DialedUpstream, UpstreamConnection } from "./upstream-connection.ts";

export interface UpstreamFailure {
  readonly kind: "failed";
  readonly cause: UpstreamFailureKind;
  readonly message: string;
}

export interface UpstreamPoolOptions {
  /** The current endpoints. The same array as long as nothing has changed. */
  readonly endpoints: () => readonly SocketAddress[];
  readonly dial: (endpoint: SocketAddress, signal: AbortSignal) => Promise<DialedUpstream | UpstreamFailure>;
  /** The reason for a missing endpoint, as text. */
  readonly describe: () => string;
  readonly deadlines: Deadlines;
  readonly random: Random;
  /** Shared with the other pools of the process. */
  readonly idleQuota: IdleQuota;
  /** Aborted: no connection is kept for later requests. */
  readonly closing: AbortSignal;
  /** @default HTTP1_LIMITS */
  readonly messageLimits?: Http1Limits;
  /** Called when the last connection has closed. */
  readonly onEmpty?: () => void;
}

/** A connection taken from a pool, and its endpoint. */
export interface TakenUpstream {
  readonly kind: "taken";
  readonly connection: UpstreamConnection;
  readonly endpoint: EndpointState;
}

/** Endpoints that a request has already tried, by key. */
export type TriedEndpoints = Set<string>;

/**
 * The kept connections of one destination, by endpoint. A connection serves one request at a time. Requests go to the
 * endpoint with the fewest requests in progress; a connection that would not be made the same way now is closed instead
 * of used.
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

  /** Takes an idle connection of the chosen endpoint; `undefined` if one must be dialled. */
  take(tried: TriedEndpoints | undefined): TakenUpstream | undefined {
    const endpoint = this.#choose(tried);
    if (endpoint === undefined) return undefined;
    for (let connection = endpoint.idle.pop(); connection !== undefined; connection = endpoint.idle.pop()) {
      this.#options.idleQuota.release();
      if (!connection.isReusable) {
        connection.closeIdle();
        continue;
      }
      endpoint.active += 1;
      return { kind: "taken", connection, endpoint };
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
      if (dialed.kind === "connected") return this.#adopt(dialed, endpoint);
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
    const taken = this.#adopt(dialed, this.#stateOf(address));
    taken.endpoint.active += 1;
    this.release(taken);
  }

  /** After the response: the connection becomes idle, if it can be reused. */
  release({ connection, endpoint }: TakenUpstream): void {
    endpoint.active -= 1;
    connection.release();
    // Until the control plane withdraws it, each request there would need a handshake.
    if (connection.isLeaving) this.avoid(endpoint);
    if (!connection.isReusable || !this.#mayKeep(endpoint)) {
      connection.closeIdle();
      this.#forgetIfUnused(endpoint);
      return;
    }
    connection.idleSinceMs = this.#options.deadlines.nowMs;
    endpoint.idle.push(connection);
  }

  /** Whether the endpoint may have one more idle connection. If so, it is counted. */
  #mayKeep(endpoint: EndpointState): boolean {
    const { closing, idleQuota } = this.#options;
    if (endpoint.isRemoved || closing.aborted || endpoint.idle.length >= MAX_IDLE_PER_ENDPOINT) return false;
    return idleQuota.tryTake();
  }

  /** The request was aborted: the connection is reset. */
  discard({ connection, endpoint }: TakenUpstream): void {
    endpoint.active -= 1;
    connection.abort();
    this.#forgetIfUnused(endpoint);
  }

  /** The connection has become a tunnel and leaves the pool. */
  detach({ endpoint }: TakenUpstream): void {
    endpoint.active -= 1;
    this.#forgetIfUnused(endpoint);
  }

  /** Closes connections that were idle too long. */
  checkDeadline(nowMs: number): void {
    this.#closeIdle((connection) => nowMs - connection.idleSinceMs >= connection.idleMs);
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
      for (const connection of endpoint.idle.filter(condition)) connection.closeIdle();
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
      for (const connection of [...state.idle]) connection.closeIdle();
      if (state.active === 0) this.#byKey.delete(key);
    }
    this.#endpoints = endpoints;
    return endpoints;
  }

  #stateOf({ ip, port }: SocketAddress): EndpointState {
    const key = formatSocketAddress({ ip, port });
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    const state: EndpointState = {
      key,
      ip,
      port,
      idle: [],
      active: 0,
      failures: 0,
      avoidedUntilMs: 0,
      isRemoved: false,
    };
    this.#byKey.set(key, state);
    return state;
  }

  #forgetIfUnused(endpoint: EndpointState): void {
    if (endpoint.active > 0 || endpoint.idle.length > 0 || !endpoint.isRemoved) return;
    this.#byKey.delete(endpoint.key);
  }

  #adopt(dialed: DialedUpstream, endpoint: EndpointState): TakenUpstream {
    endpoint.failures = 0;
    endpoint.avoidedUntilMs = 0;
    const onClosed = (closed: UpstreamConnection): void => {
      const at = endpoint.idle.indexOf(closed);
      if (at >= 0) {
        endpoint.idle.splice(at, 1);
        this.#options.idleQuota.release();
      }
      this.#connections.delete(closed);
      if (this.#connections.size > 0) return;
      this.#options.deadlines.delete(this);
      this.#options.onEmpty?.();
    };
    const connection = new UpstreamConnection(dialed, { onClosed }, this.#options.messageLimits);
    if (this.#connections.size === 0) this.#options.deadlines.add(this);
    this.#connections.add(connection);
    return { kind: "taken", connection, endpoint };
  }
}
