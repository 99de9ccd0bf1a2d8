/** What an entry counts beyond its name and value, in bytes (RFC 7541 §4.1). */
export const ENTRY_OVERHEAD_BYTES = 32;

/**
 * The dynamic table of one direction of a connection (RFC 7541 §2.3.2): a ring of entries, the newest of which has
 * position 0. An entry's id counts insertions from 0 and does not change until it is evicted.
 */
export class DynamicTable {
  #names: string[] = new Array<string>(16).fill("");
  #values: string[] = new Array<string>(16).fill("");
  #maxBytes: number;
  #bytes = 0;
  #inserted = 0;
  #count = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** The size of all entries as RFC 7541 §4.1 counts it. */
  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#count;
  }

  /** The id of the next entry: how many were ever inserted. */
  get nextId(): number {
    return this.#inserted;
  }

  /** The id of the oldest entry that is left; `nextId` when the table is empty. */
  get oldestId(): number {
    return this.#inserted - this.#count;
  }

  /** The name of a present entry. */
  nameOf(id: number): string {
    return this.#names[id & (this.#names.length - 1)] ?? "";
  }

  /** The value of a present entry. */
  valueOf(id: number): string {
    return this.#values[id & (this.#values.length - 1)] ?? "";
  }

  /** Evicts what no longer fits (RFC 7541 §4.3). */
  setMaxBytes(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  /** Whether an entry of that size stays; inserting a larger one only empties the table (RFC 7541 §4.4). */
  holds(nameBytes: number, valueBytes: number): boolean {
    return nameBytes + valueBytes + ENTRY_OVERHEAD_BYTES <= this.#maxBytes;
  }

  clear(): void {
    this.#evictTo(0);
  }

  /** Inserts an entry for which `holds` is true, and evicts old ones for it. */
  insert(name: string, value: string): void {
    const size = name.length + value.length + ENTRY_OVERHEAD_BYTES;
    this.#evictTo(this.#maxBytes - size);
    if (this.#count === this.#names.length) this.#grow();
    const slot = this.#inserted & (this.#names.length - 1);
    this.#names[slot] = name;
    this.#values[slot] = value;
    this.#inserted += 1;
    this.#count += 1;
    this.#bytes += size;
  }

  #evictTo(bytes: number): void {
    const mask = this.#names.length - 1;
    while (this.#bytes > bytes && this.#count > 0) {
      const slot = (this.#inserted - this.#count) & mask;
      this.#bytes -= (this.#names[slot] ?? "").length + (this.#values[slot] ?? "").length + ENTRY_OVERHEAD_BYTES;
      this.#names[slot] = "";
      this.#values[slot] = "";
      this.#count -= 1;
    }
  }

  #grow(): void {
    const capacity = this.#names.length * 2;
    const names = new Array<string>(capacity).fill("");
    const values = new Array<string>(capacity).fill("");
    for (let id = this.oldestId; id < this.#inserted; id += 1) {
      names[id & (capacity - 1)] = this.nameOf(id);
      values[id & (capacity - 1)] = this.valueOf(id);
    }
    this.#names = names;
    this.#values = values;
  }
}
