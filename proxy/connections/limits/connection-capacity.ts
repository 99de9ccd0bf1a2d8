import type { Clock } from "../../../mesh/runtime.ts";

/** What a connection does now. */
export interface Activity {
  /** Whether it could be closed without loss: nothing has been delivered, or it waits for its next request. */
  readonly isIdle: boolean;
  /**
   * Since when its client sends nothing of a request's body, by the monotonic clock; `undefined`: no body is expected,
   * or the proxy does not read it now.
   */
  readonly awaitsBodySinceMs: number | undefined;
}

/** A connection that may have to make room. */
export interface CountedConnection extends Activity {
  /** Whether its peer is verified. */
  readonly isVerified: boolean;
  /** Calls the listener once, at its end. */
  onEnd(listener: () => void): void;
}

export interface ConnectionCapacityOptions<Connection> {
  readonly limit: number;
  readonly clock: Clock;
  /** Closes the connection, because another one needs its place. */
  readonly displace: (connection: Connection) => void;
}

/** How long to wait after a search that found no idle connection: a search visits all of them. */
const FRUITLESS_PAUSE_MS = 100;

/** A client that sends nothing of its body for this time gives way. HTTP connections read their clock each 500 ms. */
const STALLED_MS = 2500;

/**
 * Bounds all connections of one kind, whatever state they are in. When the bound is reached, the oldest idle connection
 * makes room, unverified ones first. If none is idle, the one makes room whose client has sent nothing of its request's
 * body for longest, at least 2 s: a head and one byte of a body would otherwise keep a place for minutes. If all are
 * busy, the new one is refused.
 */
export class ConnectionCapacity<Connection extends CountedConnection> {
  readonly #options: ConnectionCapacityOptions<Connection>;
  readonly #connections = new Set<Connection>();
  /** What the last search has found, in the order in which it makes room. */
  #idle: readonly Connection[] = [];
  /** The same, for use until the next search. */
  #stalled: readonly Connection[] = [];
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
    connection.onEnd(() => this.#connections.delete(connection));
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
    const idle = this.#takeIdle();
    if (idle !== undefined) return idle;
    const nowMs = this.#options.clock.monotonicMs();
    if (nowMs >= this.#nextLookMs) {
      this.#look(nowMs);
      const found = this.#takeIdle();
      if (found !== undefined) return found;
      this.#nextLookMs = nowMs + FRUITLESS_PAUSE_MS;
    }
    const { taken, left } = this.#take(this.#stalled, (connection) => isStalled(connection, nowMs));
    this.#stalled = left;
    return taken;
  }

  #takeIdle(): Connection | undefined {
    const { taken, left } = this.#take(this.#idle, ({ isIdle }) => isIdle);
    this.#idle = left;
    return taken;
  }

  /** Those that have become busy or have ended since the search are skipped. */
  #take(candidates: readonly Connection[], mayGiveWay: (connection: Connection) => boolean) {
    const at = candidates.findIndex((connection) => this.#connections.has(connection) && mayGiveWay(connection));
    return { taken: candidates[at], left: at === -1 ? [] : candidates.slice(at + 1) };
  }

  /** Finds some of the idle connections, each oldest first, or of the stalled ones, each longest first. */
  #look(nowMs: number): void {
    this.#idle = this.#findIdle();
    this.#stalled = [];
    if (this.#idle.length > 0) return;
    const stalled = [...this.#connections].filter((connection) => isStalled(connection, nowMs));
    this.#stalled = stalled.sort(compareStalled).slice(0, MAX_CANDIDATES);
  }

  #findIdle(): readonly Connection[] {
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

function isStalled({ awaitsBodySinceMs }: CountedConnection, nowMs: number): boolean {
  return awaitsBodySinceMs !== undefined && nowMs - awaitsBodySinceMs >= STALLED_MS;
}

/** Unverified before verified, and then by how long they have waited. */
function compareStalled(one: CountedConnection, other: CountedConnection): number {
  if (one.isVerified !== other.isVerified) return one.isVerified ? 1 : -1;
  return (one.awaitsBodySinceMs ?? 0) - (other.awaitsBodySinceMs ?? 0);
}

/** How many one search returns, so that a flood does not make each accept visit all connections. */
const MAX_CANDIDATES = 64;
