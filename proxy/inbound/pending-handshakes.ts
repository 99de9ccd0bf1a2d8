/** A connection that has not yet proved anything: it is being sniffed, or its TLS handshake runs. */
export interface PendingHandshake {
  /** The handshake came to an end, good or bad. */
  done(): void;
}

export interface PendingHandshakes {
  /** Enters a connection. `evict` is called if it must make room; it must close the connection. */
  enter(evict: () => void): PendingHandshake;
  readonly size: number;
}

/**
 * Bounds the connections that cost something and have proved nothing. When the bound is reached the oldest is evicted
 * and not the newest refused: a real client is done in milliseconds, a silent one is the oldest by definition, so a
 * flood of silent connections displaces itself and no one else.
 */
export function createPendingHandshakes(limit: number): PendingHandshakes {
  const pending = new Set<{ readonly evict: () => void }>();
  return {
    enter(evict) {
      const entry = { evict };
      pending.add(entry);
      if (pending.size > limit) {
        const [oldest] = pending;
        if (oldest !== undefined) {
          pending.delete(oldest);
          oldest.evict();
        }
      }
      return { done: () => void pending.delete(entry) };
    },
    get size() {
      return pending.size;
    },
  };
}
