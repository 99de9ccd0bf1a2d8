export interface FetchLimits {
  readonly maxActive: number;
  readonly maxActiveOfNamespace: number;
}

/** Work of which a namespace has its turn. */
export interface Turn<Work> {
  readonly work: Work;
  readonly namespace: string;
}

/**
 * Shares fetches out among namespaces: a user with the right to write RequestAuthentications in one can name thousands of
 * servers that never respond, which must not delay the keys of others. What several namespaces need gets the first turn
 * of any of them.
 */
export class FetchTurns<Work> {
  readonly #limits: FetchLimits;
  /** By namespace; the next one comes first. */
  readonly #waiting = new Map<string, Set<Work>>();
  readonly #activeOf = new Map<string, number>();
  #active = 0;

  constructor(limits: FetchLimits) {
    this.#limits = limits;
  }

  add(work: Work, namespaces: Iterable<string>): void {
    for (const namespace of namespaces) {
      const own = this.#waiting.get(namespace) ?? new Set();
      this.#waiting.set(namespace, own.add(work));
    }
  }

  isWaiting(work: Work): boolean {
    for (const own of this.#waiting.values()) if (own.has(work)) return true;
    return false;
  }

  delete(work: Work): void {
    for (const [namespace, own] of this.#waiting) {
      own.delete(work);
      if (own.size === 0) this.#waiting.delete(namespace);
    }
  }

  /** Begins the next work; `undefined`: there is none, or no place for it. Call `end` when it is over. */
  begin(): Turn<Work> | undefined {
    if (this.#active >= this.#limits.maxActive) return undefined;
    for (const [namespace, own] of this.#waiting) {
      const active = this.#activeOf.get(namespace) ?? 0;
      const [work] = own;
      if (work === undefined || active >= this.#limits.maxActiveOfNamespace) continue;
      this.#active += 1;
      this.#activeOf.set(namespace, active + 1);
      this.#waiting.delete(namespace);
      this.#waiting.set(namespace, own);
      this.delete(work);
      return { work, namespace };
    }
    return undefined;
  }

  end({ namespace }: Turn<Work>): void {
    this.#active -= 1;
    const active = (this.#activeOf.get(namespace) ?? 1) - 1;
    if (active === 0) this.#activeOf.delete(namespace);
    else this.#activeOf.set(namespace, active);
  }
}
