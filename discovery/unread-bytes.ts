interface Waiting {
  readonly bytes: number;
  readonly start: () => void;
}

interface Share {
  used: number;
  /** In the order of their arrival. */
  readonly waiting: Set<Waiting>;
}

/**
 * Bounds the bytes that are on their way to each caller. What exceeds them waits until the caller has read, so that one
 * that opens many streams and reads none holds up itself alone. An answer larger than the limit goes out by itself.
 */
export class UnreadBytes {
  readonly #limit: number;
  readonly #shares = new Map<string, Share>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Callers with bytes on their way. */
  get size(): number {
    return this.#shares.size;
  }

  /** Resolves when there is room, with what to call once the bytes are sent; at once when the signal aborts. */
  async take(key: string, bytes: number, signal: AbortSignal): Promise<() => void> {
    if (signal.aborted) return () => undefined;
    const share = this.#shares.get(key) ?? { used: 0, waiting: new Set() };
    this.#shares.set(key, share);
    if (share.waiting.size > 0 || !this.#fits(share, bytes)) {
      if (!(await waitForTurn(share, bytes, signal))) {
        this.#settle(key, share);
        return () => undefined;
      }
    } else share.used += bytes;
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      share.used -= bytes;
      this.#settle(key, share);
    };
  }

  #fits({ used }: Share, bytes: number): boolean {
    return used === 0 || used + bytes <= this.#limit;
  }

  #settle(key: string, share: Share): void {
    for (const next of share.waiting) {
      if (!this.#fits(share, next.bytes)) break;
      share.waiting.delete(next);
      share.used += next.bytes;
      next.start();
    }
    if (share.used === 0 && share.waiting.size === 0) this.#shares.delete(key);
  }
}

/** Whether the bytes were given room; false when the signal aborted first. */
function waitForTurn(share: Share, bytes: number, signal: AbortSignal): Promise<boolean> {
  return new Promise((resolve) => {
    const onAbort = (): void => {
      share.waiting.delete(waiting);
      resolve(false);
    };
    const waiting: Waiting = {
      bytes,
      start: () => {
        signal.removeEventListener("abort", onAbort);
        resolve(true);
      },
    };
    share.waiting.add(waiting);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}
