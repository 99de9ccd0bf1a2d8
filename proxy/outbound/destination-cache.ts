import type { Destination, DestinationTarget } from "../../mesh/policy/types.ts";
import type { Clock, Timer } from "../../mesh/runtime.ts";
import type { SocketAddress } from "../../net/socket-address.ts";

/** Subscribes to one target at the control plane; `listener` receives each value that differs from the last one. */
export type WatchDestination = (target: DestinationTarget, listener: (destination: Destination) => void) => Watch;

interface Watch {
  close(): void;
}

/** A destination in use. */
export interface DestinationLease {
  /** The destination's key, by `keyOfTarget`. */
  readonly key: string;
  /** The control plane's last response. */
  current(): Destination;
  /** Calls the listener after each further response, until the lease is released. */
  onChange(listener: () => void): void;
  release(): void;
}

export interface DestinationCache {
  /**
   * The destination of a target, from the cache or from the control plane; `undefined` if it does not respond in time.
   */
  acquire(target: DestinationTarget): Promise<DestinationLease | undefined>;
  list(): readonly CachedDestination[];
  close(): void;
}

export interface CachedDestination {
  readonly target: DestinationTarget;
  /** `undefined`: no response yet. */
  readonly destination: Destination | undefined;
  readonly connections: number;
}

export interface DestinationCacheOptions {
  readonly watch: WatchDestination;
  readonly clock: Clock;
  /** How long a new destination may take to resolve. @default 5000 */
  readonly resolveTimeoutMs?: number;
  /** How long an unused destination is kept. @default 60000 */
  readonly idleMs?: number;
  /** How many destinations are kept; an application that scans addresses displaces its own idle ones. @default DEFAULT_CACHE_LIMIT */
  readonly limit?: number;
  readonly onChange?: (target: DestinationTarget, destination: Destination) => void;
}

export const DEFAULT_CACHE_LIMIT = 4096;

interface Entry {
  readonly key: string;
  readonly target: DestinationTarget;
  watch: Watch | undefined;
  destination: Destination | undefined;
  leases: number;
  readonly waiting: Set<(destination: Destination) => void>;
  readonly listeners: Set<() => void>;
  idle: Timer | undefined;
}

/**
 * Caches the control plane's responses for the destinations in use, so that memory depends on what this pod calls and
 * not on the mesh's size. While the control plane is unreachable, the last response stays in force.
 */
export function createDestinationCache(options: DestinationCacheOptions): DestinationCache {
  const { clock, resolveTimeoutMs = 5000, idleMs = 60_000, limit = DEFAULT_CACHE_LIMIT } = options;
  const entries = new Map<string, Entry>();

  const drop = (entry: Entry): void => {
    entry.idle?.cancel();
    entry.watch?.close();
    entries.delete(entry.key);
  };
  const open = (key: string, target: DestinationTarget): Entry => {
    makeRoom(entries, limit, drop);
    const entry: Entry = {
      key,
      target,
      watch: undefined,
      destination: undefined,
      leases: 0,
      waiting: new Set(),
      listeners: new Set(),
      idle: undefined,
    };
    entries.set(key, entry);
    const listener = (destination: Destination): void => {
      entry.destination = destination;
      for (const resolve of entry.waiting) resolve(destination);
      entry.waiting.clear();
      options.onChange?.(target, destination);
      for (const onChange of entry.listeners) onChange();
    };
    entry.watch = options.watch(target, listener);
    return entry;
  };
  const release = (entry: Entry): void => {
    entry.leases -= 1;
    if (entry.leases > 0 || entries.get(entry.key) !== entry) return;
    entry.idle = clock.setTimeout(() => drop(entry), entry.destination === undefined ? 0 : idleMs);
  };

  return {
    async acquire(target) {
      const key = keyOfTarget(target);
      const entry = entries.get(key) ?? open(key, target);
      entry.idle?.cancel();
      entry.leases += 1;
      const first = entry.destination ?? (await firstResponse(entry, clock, resolveTimeoutMs));
      if (first === undefined) {
        release(entry);
        return undefined;
      }
      return createLease(entry, first, () => release(entry));
    },
    list: () =>
      [...entries.values()].map(({ target, destination, leases }) => ({ target, destination, connections: leases })),
    close: () => {
      for (const entry of entries.values()) drop(entry);
    },
  };
}

function createLease(entry: Entry, first: Destination, onRelease: () => void): DestinationLease {
  const own = new Set<() => void>();
  let isReleased = false;
  return {
    key: entry.key,
    current: () => entry.destination ?? first,
    onChange: (listener) => {
      if (isReleased) return;
      own.add(listener);
      entry.listeners.add(listener);
    },
    release: () => {
      if (isReleased) return;
      isReleased = true;
      for (const listener of own) entry.listeners.delete(listener);
      onRelease();
    },
  };
}

function firstResponse(entry: Entry, clock: Clock, timeoutMs: number): Promise<Destination | undefined> {
  return new Promise((resolve) => {
    const onResponse = (destination: Destination): void => {
      timer.cancel();
      resolve(destination);
    };
    const timer = clock.setTimeout(() => {
      entry.waiting.delete(onResponse);
      resolve(undefined);
    }, timeoutMs);
    entry.waiting.add(onResponse);
  });
}

/** A Map keeps insertion order: the first idle entry is the oldest. Entries in use are never displaced. */
function makeRoom(entries: ReadonlyMap<string, Entry>, limit: number, drop: (entry: Entry) => void): void {
  if (entries.size < limit) return;
  for (const entry of entries.values()) {
    if (entry.leases > 0) continue;
    drop(entry);
    return;
  }
}

/** A unique key for each target. */
export function keyOfTarget(target: DestinationTarget): string {
  return target.kind === "address" ? keyOfAddress(target) : `${target.host}|${target.port}|${target.subset}`;
}

/** The key of an original destination. */
export function keyOfAddress({ ip, port }: SocketAddress): string {
  return `${ip}|${port}`;
}
