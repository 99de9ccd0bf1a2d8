import { DynamicTable, ENTRY_OVERHEAD_BYTES } from "./dynamic-table.ts";
import { DEFAULT_TABLE_BYTES } from "./hpack-limits.ts";
import { findKnownName, KNOWN_NAME_COUNT, type KnownName } from "./known-names.ts";
import { FIELD_OVERHEAD_BYTES, type Representation, writeInteger, writeString } from "./primitive-writer.ts";
import { STATIC_ENTRIES, STATIC_VALUES } from "./static-table.ts";

/** What `beginBlock` writes at most: two size updates. */
export const MAX_BLOCK_PREFIX_BYTES = 6;

const INDEXED: Representation = { pattern: 0x80, prefixBits: 7 };
const LITERAL_INDEXED: Representation = { pattern: 0x40, prefixBits: 6 };
const LITERAL_PLAIN: Representation = { pattern: 0x00, prefixBits: 4 };
const LITERAL_NEVER: Representation = { pattern: 0x10, prefixBits: 4 };
const SIZE_UPDATE: Representation = { pattern: 0x20, prefixBits: 5 };

/** More entries than the table can have: each counts at least 32 bytes. A power of two. */
const MAX_ENTRIES = DEFAULT_TABLE_BYTES / ENTRY_OVERHEAD_BYTES;

/** A cookie shorter than this has so few possible values that it could be guessed (RFC 7541 §7.1.3). */
const MIN_COOKIE_BYTES = 20;

/** The room that a field needs at most. */
export function maxEncodedBytes(name: string, value: string): number {
  return name.length + value.length + FIELD_OVERHEAD_BYTES;
}

/**
 * Encodes the header blocks of one direction of a connection (RFC 7541), without Huffman coding, straight into the
 * caller's buffer. A block that was begun must be sent, in order: the peer's table depends on it. Names are lower-case,
 * names and values latin1.
 */
export class HpackEncoder {
  readonly #table = new DynamicTable(DEFAULT_TABLE_BYTES);
  /** By slot of the known name: the id of its newest entry, which may be evicted; -1 for none. */
  readonly #newest = new Float64Array(KNOWN_NAME_COUNT).fill(-1);
  /** By an entry's id: the id of the entry with the same name before it. */
  readonly #previous = new Float64Array(MAX_ENTRIES).fill(-1);
  #wantedBytes = DEFAULT_TABLE_BYTES;
  /** The least that the peer allowed since the last block. */
  #smallestBytes = DEFAULT_TABLE_BYTES;

  /**
   * The peer's SETTINGS_HEADER_TABLE_SIZE in bytes, of which at most 4096 are used. The size update is written by the
   * next `beginBlock` (RFC 7541 §4.2).
   */
  setMaxTableBytes(maxTableBytes: number): void {
    this.#wantedBytes = Math.min(maxTableBytes, DEFAULT_TABLE_BYTES);
    this.#smallestBytes = Math.min(this.#smallestBytes, this.#wantedBytes);
  }

  /** Begins a block at `at` with the size updates that are due. Returns the next offset. */
  beginBlock(target: Buffer, at: number): number {
    if (this.#smallestBytes === this.#table.maxBytes && this.#wantedBytes === this.#table.maxBytes) return at;
    requireRoom(target, at, MAX_BLOCK_PREFIX_BYTES);
    let next = at;
    if (this.#smallestBytes < Math.min(this.#wantedBytes, this.#table.maxBytes))
      next = this.#updateSize(target, next, this.#smallestBytes);
    this.#smallestBytes = this.#wantedBytes;
    return this.#updateSize(target, next, this.#wantedBytes);
  }

  /**
   * Writes a field as the policy of its name says. Returns the next offset. Throws a RangeError, and has changed nothing,
   * when `target` has less room than `maxEncodedBytes`.
   */
  encodeField(target: Buffer, at: number, name: string, value: string): number {
    requireRoom(target, at, maxEncodedBytes(name, value));
    const known = findKnownName(name);
    if (known === undefined) return writeString(target, writeNewName(target, at, LITERAL_PLAIN, name), value);
    const { indexing } = known;
    if (indexing === "secret" || (indexing === "cookie" && value.length < MIN_COOKIE_BYTES)) {
      return this.encodeNeverIndexed(target, at, name, value);
    }
    const index = findStatic(known, value);
    if (index !== 0) return writeInteger(target, at, INDEXED, index);
    if (indexing === "repeated") return this.#encodeRepeated(target, at, known, value);
    return writeString(target, writeName(target, at, LITERAL_PLAIN, known), value);
  }

  /** Writes a field that no proxy may index, because it arrived so (RFC 7541 §7.1.3). Else as `encodeField`. */
  encodeNeverIndexed(target: Buffer, at: number, name: string, value: string): number {
    requireRoom(target, at, maxEncodedBytes(name, value));
    const known = findKnownName(name);
    const named =
      known === undefined ? writeNewName(target, at, LITERAL_NEVER, name) : writeName(target, at, LITERAL_NEVER, known);
    return writeString(target, named, value);
  }

  #updateSize(target: Buffer, at: number, bytes: number): number {
    this.#table.setMaxBytes(bytes);
    return writeInteger(target, at, SIZE_UPDATE, bytes);
  }

  #encodeRepeated(target: Buffer, at: number, known: KnownName, value: string): number {
    const table = this.#table;
    const newest = this.#newest[known.slot] ?? -1;
    for (let id = newest; id >= table.oldestId; id = this.#previous[id & (MAX_ENTRIES - 1)] ?? -1) {
      if (table.valueOf(id) === value) return writeInteger(target, at, INDEXED, this.#indexOf(id));
    }
    // An entry of more than half the table would drive out most others.
    if ((known.name.length + value.length + ENTRY_OVERHEAD_BYTES) * 2 > table.maxBytes) {
      return writeString(target, writeName(target, at, LITERAL_PLAIN, known), value);
    }
    const hasNameEntry = known.staticIndex === 0 && newest >= table.oldestId;
    const named = hasNameEntry
      ? writeInteger(target, at, LITERAL_INDEXED, this.#indexOf(newest))
      : writeName(target, at, LITERAL_INDEXED, known);
    const next = writeString(target, named, value);
    this.#previous[table.nextId & (MAX_ENTRIES - 1)] = newest;
    this.#newest[known.slot] = table.nextId;
    // A copy: the value may be a part of a text of 64 KB, which the table must not keep.
    table.insert(known.name, target.toString("latin1", next - value.length, next));
    return next;
  }

  /** The index of an entry of the table in the common address space (RFC 7541 §2.3.3). */
  #indexOf(id: number): number {
    return STATIC_ENTRIES + this.#table.nextId - id;
  }
}

function requireRoom(target: Buffer, at: number, bytes: number): void {
  if (target.length - at < bytes)
    throw new RangeError(`a field needs up to ${bytes} bytes, ${target.length - at} are left`);
}

/** Writes the begin of a literal field by the name's index, or with the name itself. */
function writeName(target: Buffer, at: number, form: Representation, { name, staticIndex }: KnownName): number {
  return staticIndex === 0 ? writeNewName(target, at, form, name) : writeInteger(target, at, form, staticIndex);
}

function writeNewName(target: Buffer, at: number, form: Representation, name: string): number {
  target[at] = form.pattern;
  return writeString(target, at + 1, name);
}

/** The index of the entry of the static table with that name and value, or 0. */
function findStatic({ staticIndex, staticEntries }: KnownName, value: string): number {
  for (let index = staticIndex; index < staticIndex + staticEntries; index += 1) {
    if (STATIC_VALUES[index] === value) return index;
  }
  return 0;
}
