import type { Clock } from "../../../mesh/runtime.ts";

/** A connection that may have to make room. */
export interface CountedConnection {
  /** Whether it could be closed without loss: nothing has been delivered, or it waits for its next request. */
  readonly isIdle: boolean;
  /** Whether its peer is verified. */
  readonly isVerified: boolean;
  readonly ended: Promise<unknown>;
}

export interface ConnectionCapacityOptions<Connection> {
  readonly limit: number;
  readonly clock: Clock;
  /** Closes the connection, because another one needs its place. */
  readonly displace: (connection: Connection) => void;
}

/** How long to wait after a search that found no idle connection: a search visits all of them. */
const FRUITLESS_PAUSE_MS = 100;

/**
 * Bounds all connections of one kind, whatever state they are in. When the bound is reached, the oldest idle connection
 * makes room, unverified ones first. If all are busy, the new one is refused.
 */
export class ConnectionCapacity<Connection extends CountedConnection> {
  readonly #options: ConnectionCapacityOptions<Connection>;
  readonly #connections = new Set<Connection>();
  /** What the last search has found, in the order in which it makes room. */
  #candidates: readonly Connection[] = [];
  #nextLookMs = Number.NEGATIVE_INFINITY;

  constructor(options: ConnectionCapacityOptions<Connection>) {
    this.#options = options;
  }

  get size(): number {
    return this.#connections.size;
  }

  /** Adds a connection. @returns false: there is no room, and it must be closed. */
  enter(connection: Connection): boolean {
    if (this.#connections.size >= this.#options.limit && !this.#makeRoom()) return false;
    this.#connections.add(connection);
    void connection.ended.then(() => this.#connections.delete(connection));
    return true;
  }

  #makeRoom(): boolean {
    const connection = this.#nextCandidate();
    if (connection === undefined) return false;
    // Its end may be reported later; its place is already free.
    this.#connections.delete(connection);
    this.#options.displace(connection);
    return true;
  }

  #nextCandidate(): Connection | undefined {
    const found = this.#takeCandidate();
    const nowMs = this.#options.clock.monotonicMs();
    if (found !== undefined || nowMs < this.#nextLookMs) return found;
    this.#candidates = this.#look();
    const connection = this.#takeCandidate();
    if (connection === undefined) this.#nextLookMs = nowMs + FRUITLESS_PAUSE_MS;
    return connection;
  }

  /** Those that have become busy or have ended since the search are skipped. */
  #takeCandidate(): Connection | undefined {
    const at = this.#candidates.findIndex((connection) => connection.isIdle && this.#connections.has(connection));
    const connection = this.#candidates[at];
    this.#candidates = at === -1 ? [] : this.#candidates.slice(at + 1);
    return connection;
  }

  /** Some of the idle connections, unverified before verified, each oldest first. */
  #look(): readonly Connection[] {
    const unverified: Connection[] = [];
    const verified: Connection[] = [];
    for (const connection of this.#connections) {
      if (!connection.isIdle) continue;
      if (!connection.isVerified) unverified.push(connection);
      else if (verified.length < MAX_CANDIDATES) verified.push(connection);
      if (unverified.length >= MAX_CANDIDATES) return unverified;
    }
    return [...unverified, ...verified].slice(0, MAX_CANDIDATES);
  }
}

/** How many one search returns, so that a flood does not make each accept visit all connections. */
const MAX_CANDIDATES = 64;
