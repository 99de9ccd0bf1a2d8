/**
 * Limited places of several owners, such as the connections of each address. When there are too many, the owner with the
 * most of them gives one back, its oldest: a flood from one address displaces only its own, even where others wait longer.
 */
export class FairPlaces<Item> {
  /** Each owner's items, oldest first. */
  readonly #byOwner = new Map<string, Set<Item>>();
  /** By their number of items, less one. First the owner that has had so many for longest. */
  readonly #byCount: Set<string>[] = [];
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Adds an item as its owner's newest. One that is there already stays where it is. */
  add(owner: string, item: Item): void {
    const items = this.#byOwner.get(owner) ?? new Set();
    if (items.has(item)) return;
    this.#byOwner.set(owner, items);
    this.#move(owner, items, () => items.add(item));
    this.#size += 1;
  }

  /** Removes an item, if it is there. */
  delete(owner: string, item: Item): void {
    const items = this.#byOwner.get(owner);
    if (items === undefined || !items.has(item)) return;
    this.#move(owner, items, () => items.delete(item));
    if (items.size === 0) this.#byOwner.delete(owner);
    this.#size -= 1;
  }

  /** Removes and returns the item that makes room; `undefined` if there is none. */
  takeNext(): Item | undefined {
    const [owner] = this.#byCount.at(-1) ?? [];
    const [item] = (owner === undefined ? undefined : this.#byOwner.get(owner)) ?? [];
    if (owner !== undefined && item !== undefined) this.delete(owner, item);
    return item;
  }

  #move(owner: string, items: ReadonlySet<Item>, change: () => void): void {
    this.#byCount[items.size - 1]?.delete(owner);
    change();
    if (items.size > 0) {
      const owners = this.#byCount[items.size - 1] ?? new Set();
      this.#byCount[items.size - 1] = owners;
      owners.add(owner);
    }
    while (this.#byCount.at(-1)?.size === 0) this.#byCount.pop();
  }
}
