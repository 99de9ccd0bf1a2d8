/** Bounds the idle connections of all pools together, so that descriptors are left for others. */
export class IdleQuota {
  readonly #limit: number;
  #size = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#size;
  }

  /** @returns false: the limit is reached. */
  tryTake(): boolean {
    if (this.#size >= this.#limit) return false;
    this.#size += 1;
    return true;
  }

  release(): void {
    this.#size -= 1;
  }
}
