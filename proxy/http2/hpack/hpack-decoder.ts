import { BlockReader } from "./block-reader.ts";
import { BlockFields, type DecodedBlock } from "./decoded-block.ts";
import { DynamicTable } from "./dynamic-table.ts";
import { HpackFault } from "./hpack-fault.ts";
import { DEFAULT_TABLE_BYTES, HPACK_LIMITS, type HpackLimits } from "./hpack-limits.ts";
import { KnownBlocks } from "./known-blocks.ts";
import { STATIC_ENTRIES, STATIC_NAMES, STATIC_VALUES } from "./static-table.ts";

/** At most two size updates come before the fields: the smallest size since the last block, and the last one (§4.2). */
const MAX_SIZE_UPDATES = 2;

/** Decodes the header blocks of one direction of a connection, in their order (RFC 7541). Never throws. */
export class HpackDecoder {
  readonly #limits: HpackLimits;
  readonly #table = new DynamicTable(DEFAULT_TABLE_BYTES);
  readonly #reader = new BlockReader();
  /** What the peer may set its table to. */
  #maxTableBytes = DEFAULT_TABLE_BYTES;
  /** The next block must begin with an update to this size or less. */
  #requiredUpdate: number | undefined;
  #fault: (DecodedBlock & { kind: "fault" }) | undefined;
  readonly #known = new KnownBlocks();
  /** Whether the current block has changed the table, or had to. */
  #changesTable = false;

  /** @param options.limits of one block. @default HPACK_LIMITS */
  constructor(options: { readonly limits?: HpackLimits } = {}) {
    this.#limits = options.limits ?? HPACK_LIMITS;
  }

  /**
   * The peer has acknowledged our SETTINGS_HEADER_TABLE_SIZE, in bytes; until then it is 4096. When it is less than the
   * table's size, the next block must begin with a size update (RFC 9113 §4.3.1).
   */
  acknowledgeTableBytes(maxTableBytes: number): void {
    this.#maxTableBytes = maxTableBytes;
    if (maxTableBytes >= (this.#requiredUpdate ?? this.#table.maxBytes)) return;
    this.#requiredUpdate = maxTableBytes;
  }

  /** Decodes one whole block: the fragments of HEADERS and CONTINUATION, joined. Keeps no reference to it. */
  decode(block: Buffer): DecodedBlock {
    if (this.#fault !== undefined) return this.#fault;
    const known = this.#requiredUpdate === undefined ? this.#known.find(block) : undefined;
    if (known !== undefined) return known;
    this.#changesTable = false;
    try {
      const decoded = this.#read(block);
      if (this.#changesTable) this.#known.clear();
      else this.#known.add(block, decoded);
      return decoded;
    } catch (caught) {
      if (!(caught instanceof HpackFault)) throw caught;
      this.#fault = { kind: "fault", message: caught.message };
      this.#table.clear();
      return this.#fault;
    } finally {
      this.#reader.close();
    }
  }

  #read(block: Buffer): DecodedBlock {
    const { maxBlockBytes } = this.#limits;
    if (block.length > maxBlockBytes) throw new HpackFault(`a header block of more than ${maxBlockBytes} bytes`);
    this.#reader.open(block);
    this.#readSizeUpdates();
    const fields = new BlockFields(this.#limits);
    for (let octet = this.#reader.peek(); octet >= 0; octet = this.#reader.peek()) this.#readField(octet, fields);
    return fields.result();
  }

  /** RFC 7541 §6.3. */
  #readSizeUpdates(): void {
    let count = 0;
    while ((this.#reader.peek() & 0xe0) === 0x20) {
      count += 1;
      if (count > MAX_SIZE_UPDATES) throw new HpackFault("more than two size updates in one header block");
      const size = this.#reader.readInteger(5);
      const most = this.#requiredUpdate ?? this.#maxTableBytes;
      if (size > most) throw new HpackFault(`a size update to ${size} bytes, where at most ${most} are allowed`);
      this.#requiredUpdate = undefined;
      this.#changesTable = true;
      this.#table.setMaxBytes(size);
    }
    if (this.#requiredUpdate === undefined) return;
    throw new HpackFault(
      `no size update, although at most ${this.#requiredUpdate} bytes are allowed since the last block`,
    );
  }

  #readField(octet: number, fields: BlockFields): void {
    if (octet >= 0x80) {
      const index = this.#reader.readInteger(7);
      fields.add(this.#nameAt(index), this.#valueAt(index));
    } else if (octet >= 0x40) {
      this.#readIndexedLiteral(fields);
    } else if (octet >= 0x20) {
      throw new HpackFault("a size update behind a field");
    } else {
      const index = this.#reader.readInteger(4);
      const name = index === 0 ? this.#reader.readText() : this.#nameAt(index);
      const value = this.#reader.readText();
      if (octet >= 0x10) fields.addNeverIndexed(name, value);
      else fields.add(name, value);
    }
  }

  /** A literal that becomes an entry of the table (§6.2.1). */
  #readIndexedLiteral(fields: BlockFields): void {
    const index = this.#reader.readInteger(6);
    const name = index === 0 ? this.#reader.readOwnText() : this.#nameAt(index);
    const value = this.#reader.readOwnText();
    fields.add(name, value);
    this.#changesTable = true;
    if (this.#table.holds(name.length, value.length)) this.#table.insert(name, value);
    else this.#table.clear();
  }

  #nameAt(index: number): string {
    if (index <= STATIC_ENTRIES && index > 0) return STATIC_NAMES[index] ?? "";
    return this.#table.nameOf(this.#idAt(index));
  }

  #valueAt(index: number): string {
    if (index <= STATIC_ENTRIES && index > 0) return STATIC_VALUES[index] ?? "";
    return this.#table.valueOf(this.#idAt(index));
  }

  /** The entry of the dynamic table with an index of the common address space (§2.3.3). */
  #idAt(index: number): number {
    const position = index - STATIC_ENTRIES - 1;
    if (position >= 0 && position < this.#table.count) return this.#table.nextId - 1 - position;
    throw new HpackFault(`index ${index} is not in the tables`);
  }
}
