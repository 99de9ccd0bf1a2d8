import type { Deadlines } from "../deadlines.ts";
import { MAX_IDLE_PER_ENDPOINT } from "../http-limits.ts";
import type { UpstreamConnection } from "../upstream/upstream-connection.ts";
import type { EndpointState } from "./endpoint-state.ts";
import type { IdleQuota } from "./idle-quota.ts";
import type { PoolEndpoints } from "./pool-endpoints.ts";

/**
 * Within this time a connection is the successor of one that its server has ended, and is expected to last. A leaving
 * server ends it with its first response; one that renews its certificate often does not, even with leaves of seconds.
 */
const SUCCESSION_MS = 2000;

export interface PoolConnectionsOptions {
  readonly deadlines: Deadlines;
  /** Shared with the other pools of the process. */
  readonly idleQuota: IdleQuota;
  /** Aborted: no connection is kept for later requests. */
  readonly closing: AbortSignal;
  /** Called when the last connection has closed. */
  readonly onEmpty?: () => void;
}

/** All connections of a pool: which of them are kept, and until when. */
export class PoolConnections {
  readonly #options: PoolConnectionsOptions;
  readonly #endpoints: PoolEndpoints;
  readonly #connections = new Set<UpstreamConnection>();

  constructor(options: PoolConnectionsOptions, endpoints: PoolEndpoints) {
    this.#options = options;
    this.#endpoints = endpoints;
  }

  get size(): number {
    return this.#connections.size;
  }

  add(connection: UpstreamConnection, { endedMs }: EndpointState): void {
    const { deadlines } = this.#options;
    if (this.#connections.size === 0) deadlines.add(this);
    if (deadlines.nowMs - endedMs < SUCCESSION_MS) connection.place.successorUntilMs = deadlines.nowMs + SUCCESSION_MS;
    this.#connections.add(connection);
  }

  /** A kept connection of HTTP/1.1 that is still as it would be dialled. */
  takeKept({ available }: EndpointState): UpstreamConnection | undefined {
    for (let connection = available.pop(); connection !== undefined; connection = available.pop()) {
      connection.place.isListed = false;
      this.leaveIdle(connection);
      if (connection.isReusable) return connection;
      connection.retire();
    }
    return undefined;
  }

  /** A stream has ended: its connection is kept, goes on with its other streams, or is closed. */
  settle(connection: UpstreamConnection, endpoint: EndpointState): void {
    const { place } = connection;
    if (connection.isIdle && place.idleSinceMs === undefined) {
      if (connection.isReusable && this.#mayKeep(endpoint)) place.idleSinceMs = this.#options.deadlines.nowMs;
      else connection.retire();
    }
    if (connection.dialed.protocol === "http1" && connection.capacity > 0) this.#list(connection, endpoint);
    this.#endpoints.forgetIfUnused(endpoint);
  }

  /**
   * The server may have announced the connection's end. One that ends also the next connection is leaving: until the
   * control plane withdraws it, each request there would need a handshake. One that has a new certificate is not avoided.
   */
  noteEnding({ isEnding, place }: UpstreamConnection, endpoint: EndpointState): void {
    if (!isEnding || place.hasEnded) return;
    const { nowMs } = this.#options.deadlines;
    place.hasEnded = true;
    endpoint.endedMs = nowMs;
    if (nowMs < place.successorUntilMs) this.#endpoints.avoid(endpoint);
  }

  #list(connection: UpstreamConnection, endpoint: EndpointState): void {
    if (connection.place.isListed) return;
    connection.place.isListed = true;
    endpoint.available.push(connection);
  }

  /** It gets a request. */
  leaveIdle({ place }: UpstreamConnection): void {
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

  /** Closes connections that were idle too long. */
  checkDeadline(nowMs: number): void {
    for (const connection of this.#connections) {
      const { place, idleMs } = connection;
      if (nowMs - (place.idleSinceMs ?? nowMs) >= idleMs) connection.retire();
      else connection.checkDeadline(nowMs);
    }
  }

  /** Takes those that it holds for out of use. */
  retire(condition: (connection: UpstreamConnection) => boolean): void {
    for (const connection of this.#connections) if (condition(connection)) connection.retire();
  }

  /** It has ended. */
  forget(connection: UpstreamConnection, endpoint: EndpointState): void {
    const at = connection.place.isListed ? endpoint.available.indexOf(connection) : -1;
    if (at >= 0) endpoint.available.splice(at, 1);
    connection.place.isListed = false;
    endpoint.shared?.delete(connection);
    this.noteEnding(connection, endpoint);
    this.leaveIdle(connection);
    this.#connections.delete(connection);
    if (this.#connections.size > 0) return;
    this.#options.deadlines.delete(this);
    this.#options.onEmpty?.();
  }
}
