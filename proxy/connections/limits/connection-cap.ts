import { FairPlaces } from "../../../net/fair-places.ts";

/** A connection's place under a cap. */
export interface CapEntry {
  /** Frees the place. */
  leave(): void;
}

export interface ConnectionCap {
  /**
   * Adds a connection of a client's address. `evict` is called if it must make room; it must close the connection.
   */
  enter(address: string, evict: () => void): CapEntry;
  readonly size: number;
}

/**
 * Bounds the connections that are in one state. When the bound is reached, the oldest of the address with the most is
 * evicted instead of refusing the newest: an honest client leaves such a state soon and has few, so a flood of silent
 * connections displaces only itself.
 */
export function createConnectionCap(limit: number): ConnectionCap {
  const places = new FairPlaces<{ readonly evict: () => void }>();
  return {
    enter(address, evict) {
      const entry = { evict };
      places.add(address, entry);
      if (places.size > limit) places.takeNext()?.evict();
      return { leave: () => places.delete(address, entry) };
    },
    get size() {
      return places.size;
    },
  };
}
