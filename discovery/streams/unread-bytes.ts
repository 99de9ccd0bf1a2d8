interface Waiting {
  readonly bytes: number;
  readonly start: () => void;
}

interface Share {
  used: number;
  /** In order of arrival. */
  readonly waiting: Set<Waiting>;
}

/**
 * Limits the bytes in transit to each caller. Messages above the limit wait until the caller has read, so a caller that
 * opens many streams without reading only blocks itself. A message larger than the limit is sent on its own.
 */
export class UnreadBytes {
  readonly #limit: number;
  readonly #shares = new Map<string, Share>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** The number of callers with bytes in transit. */
  get size(): number {
    return this.#shares.size;
  }

  /**
   * Resolves when there is room, or at once when the signal aborts. Returns the function to call once the bytes are
   * sent.
   */
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

/** Whether there was room; false if the signal aborted first. */
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
