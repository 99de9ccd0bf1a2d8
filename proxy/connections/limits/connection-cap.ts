/** A connection's place under a cap. */
export interface CapEntry {
  /** Frees the place. */
  leave(): void;
}

export interface ConnectionCap {
  /** Adds a connection. `evict` is called if it must make room; it must close the connection. */
  enter(evict: () => void): CapEntry;
  readonly size: number;
}

/**
 * Bounds the connections that are in one state. When the bound is reached, the oldest is evicted instead of refusing
 * the newest: an honest client leaves such a state in milliseconds, a silent one is the oldest by definition, so a
 * flood of silent connections displaces only itself.
 */
export function createConnectionCap(limit: number): ConnectionCap {
  const entries = new Set<{ readonly evict: () => void }>();
  return {
    enter(evict) {
      const entry = { evict };
      entries.add(entry);
      if (entries.size > limit) {
        const [oldest] = entries;
        if (oldest !== undefined) {
          entries.delete(oldest);
          oldest.evict();
        }
      }
      return { leave: () => void entries.delete(entry) };
    },
    get size() {
      return entries.size;
    },
  };
}
