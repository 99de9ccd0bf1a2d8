/**
 * A map that never changes. A new version shares almost everything with the one before: it stores its differences to a
 * common base, and makes a new base when they become many. A change therefore costs about the square root of the size.
 */
export class PersistentMap<Value extends object | string> implements ReadonlyMap<string, Value> {
  readonly size: number;
  readonly #base: ReadonlyMap<string, Value>;
  /** `undefined`: the base's entry is deleted. */
  readonly #differences: ReadonlyMap<string, Value | undefined>;

  private constructor(
    base: ReadonlyMap<string, Value>,
    differences: ReadonlyMap<string, Value | undefined>,
    size: number,
  ) {
    this.#base = base;
    this.#differences = differences;
    this.size = size;
  }

  static empty<Value extends object | string>(): PersistentMap<Value> {
    return new PersistentMap<Value>(new Map(), new Map(), 0);
  }

  /** A version with these entries; `undefined` deletes. Entries that are replaced keep their place in the order. */
  with(changes: ReadonlyMap<string, Value | undefined>): PersistentMap<Value> {
    if (changes.size === 0) return this;
    const differences = new Map(this.#differences);
    let size = this.size;
    for (const [key, value] of changes) {
      size += (value === undefined ? 0 : 1) - (this.has(key) ? 1 : 0);
      if (value === undefined && !this.#base.has(key)) differences.delete(key);
      else differences.set(key, value);
    }
    const next = new PersistentMap(this.#base, differences, size);
    return differences.size ** 2 <= MIN_DIFFERENCES + 2 * this.#base.size
      ? next
      : new PersistentMap(new Map(next), new Map(), size);
  }

  get(key: string): Value | undefined {
    if (this.#differences.size === 0 || !this.#differences.has(key)) return this.#base.get(key);
    return this.#differences.get(key);
  }

  has(key: string): boolean {
    return this.get(key) !== undefined;
  }

  *entries(): MapIterator<[string, Value]> {
    if (this.#differences.size === 0) {
      yield* this.#base;
      return;
    }
    for (const [key, earlier] of this.#base) {
      const value = this.#differences.has(key) ? this.#differences.get(key) : earlier;
      if (value !== undefined) yield [key, value];
    }
    for (const [key, value] of this.#differences) {
      if (value !== undefined && !this.#base.has(key)) yield [key, value];
    }
  }

  *keys(): MapIterator<string> {
    for (const [key] of this.entries()) yield key;
  }

  *values(): MapIterator<Value> {
    if (this.#differences.size === 0) yield* this.#base.values();
    else for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator](): MapIterator<[string, Value]> {
    return this.entries();
  }

  forEach(action: (value: Value, key: string, map: ReadonlyMap<string, Value>) => void): void {
    for (const [key, value] of this.entries()) action(value, key, this);
  }
}

/** Below about 16 differences a new base is not worth its cost. */
const MIN_DIFFERENCES = 256;
