export interface TokenCacheLimits {
  readonly maxEntries: number;
  /** The sum of all weights. */
  readonly maxWeight: number;
}

/**
 * The results of verifications, by a hash of the token: the tokens themselves are secrets that are not kept. What was
 * not used for the longest time gives way, so that a flood of different tokens costs no more memory than the limits.
 */
export class TokenCache<Result> {
  readonly #limits: TokenCacheLimits;
  readonly #entries = new Map<string, { readonly result: Result; readonly weight: number }>();
  #weight = 0;

  constructor(limits: TokenCacheLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(key: string): Result | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.result;
  }

  set(key: string, result: Result, weight: number): void {
    this.delete(key);
    this.#entries.set(key, { result, weight });
    this.#weight += weight;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#limits.maxEntries && this.#weight <= this.#limits.maxWeight) return;
      this.delete(oldest);
    }
  }

  delete(key: string): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    this.#entries.delete(key);
    this.#weight -= entry.weight;
  }
}
