import type { Destination, DestinationTarget } from "../../mesh/policy/types.ts";
import type { UpstreamPool } from "../http/pool/upstream-pool.ts";
import { type DestinationCache, type DestinationLease, keyOfTarget } from "./destination-cache.ts";

/** A destination in use for requests: its current state and its pool of connections. */
export interface PooledDestination {
  readonly pool: UpstreamPool;
  /** The destination's key, by `keyOfTarget`. */
  readonly key: string;
  current(): Destination;
  /** Adds a user; each calls `release` once. */
  retain(): void;
  release(): void;
}

/** A destination without its pool. */
export type ResolvedDestination = Pick<PooledDestination, "key" | "current">;

interface Entry extends PooledDestination {
  readonly lease: DestinationLease;
  users: number;
}

export interface DestinationPoolsOptions {
  readonly destinations: DestinationCache;
  readonly createPool: (destination: ResolvedDestination, onEmpty: () => void) => UpstreamPool;
}

/**
 * The pools of the destinations in use, by target. A pool exists as long as it is in use or has a connection, and keeps
 * its destination's subscription open for that time.
 */
export class DestinationPools {
  readonly #options: DestinationPoolsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #opening = new Map<string, Promise<Entry | undefined>>();

  constructor(options: DestinationPoolsOptions) {
    this.#options = options;
  }

  /** The destination of a key (`keyOfTarget`), if it is in use; retained for the caller. */
  find(key: string): PooledDestination | undefined {
    const entry = this.#entries.get(key);
    entry?.retain();
    return entry;
  }

  /** The same, querying the control plane if needed; `undefined` if it does not respond in time. */
  async open(target: DestinationTarget): Promise<PooledDestination | undefined> {
    const key = keyOfTarget(target);
    const known = this.find(key);
    if (known !== undefined) return known;
    const opening = this.#opening.get(key) ?? this.#create(key, target);
    this.#opening.set(key, opening);
    const entry = await opening;
    this.#opening.delete(key);
    // Another waiter may have released it meanwhile.
    if (entry !== undefined && this.#entries.get(key) !== entry) return await this.open(target);
    entry?.retain();
    return entry;
  }

  /** Closes idle connections that would not be dialled the same way now. */
  closeStale(): void {
    for (const { pool } of this.#entries.values()) pool.closeStale();
  }

  /** Closes every idle connection. */
  closeIdle(): void {
    for (const { pool } of this.#entries.values()) pool.closeIdle();
  }

  async #create(key: string, target: DestinationTarget): Promise<Entry | undefined> {
    const lease = await this.#options.destinations.acquire(target);
    if (lease === undefined) return undefined;
    const pool = this.#options.createPool(lease, () => this.#dropUnused(entry, key));
    lease.onChange(() => pool.closeStale());
    const entry: Entry = {
      lease,
      pool,
      key,
      current: lease.current,
      users: 0,
      retain: () => {
        entry.users += 1;
      },
      release: () => {
        entry.users -= 1;
        this.#dropUnused(entry, key);
      },
    };
    this.#entries.set(key, entry);
    return entry;
  }

  #dropUnused(entry: Entry, key: string): void {
    if (entry.users > 0 || entry.pool.size > 0 || this.#entries.get(key) !== entry) return;
    this.#entries.delete(key);
    entry.lease.release();
  }
}
