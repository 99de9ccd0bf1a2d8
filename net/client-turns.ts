/**
 * What clients have waiting, taken in turn: one item of each client before the second of any. So a client that sends
 * much delays another one's next item by one of its own.
 */
export class ClientTurns<Item> {
  /** In the order of their turns; a client without an item is not in it. */
  readonly #waiting = new Map<string, Item[]>();
  #size = 0;

  /** How many items wait, of all clients. */
  get size(): number {
    return this.#size;
  }

  push(client: string, item: Item): void {
    const own = this.#waiting.get(client);
    if (own === undefined) this.#waiting.set(client, [item]);
    else own.push(item);
    this.#size += 1;
  }

  /** Takes the first client's oldest item; the client goes to the end. */
  next(): Item | undefined {
    const [first] = this.#waiting;
    if (first === undefined) return undefined;
    const [client, items] = first;
    const item = items.shift();
    this.#size -= 1;
    this.#waiting.delete(client);
    if (items.length > 0) this.#waiting.set(client, items);
    return item;
  }

  /** Drops and returns the newest item of the client that has most, so that there is room for others. */
  dropFromLongest(): Item | undefined {
    let longest: readonly [client: string, items: Item[]] | undefined;
    // Of several with as many, the one whose turn is last.
    for (const entry of this.#waiting) if (entry[1].length >= (longest?.[1].length ?? 0)) longest = entry;
    if (longest === undefined) return undefined;
    const [client, items] = longest;
    const item = items.pop();
    this.#size -= 1;
    if (items.length === 0) this.#waiting.delete(client);
    return item;
  }
}
