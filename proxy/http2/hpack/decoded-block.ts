import { ENTRY_OVERHEAD_BYTES } from "./dynamic-table.ts";
import type { HpackLimits } from "./hpack-limits.ts";

/** What one header block contained. */
export type DecodedBlock =
  | {
      readonly kind: "fields";
      /** As received, latin1: neither case nor characters are checked. */
      readonly names: readonly string[];
      readonly values: readonly string[];
      /** The positions of fields that must stay never-indexed on the next hop (RFC 7541 §7.1.3), rising. */
      readonly neverIndexed: readonly number[];
    }
  /** Over a limit. The table is as after any block, so the connection can go on; the fields were not kept. */
  | { readonly kind: "too_large"; readonly message: string }
  /** COMPRESSION_ERROR of the connection (RFC 9113 §4.3). Every later block gives the same. */
  | { readonly kind: "fault"; readonly message: string };

/** Shared by all blocks without such fields, which are nearly all. */
const NONE: readonly number[] = Object.freeze([]);

/** Collects the fields of one block, as long as they are within the limits. */
export class BlockFields {
  readonly #limits: HpackLimits;
  #names: string[] = [];
  #values: string[] = [];
  #neverIndexed: number[] | undefined;
  #bytes = 0;
  #crumbs = 0;
  #excess: string | undefined;

  constructor(limits: HpackLimits) {
    this.#limits = limits;
  }

  add(name: string, value: string): void {
    if (this.#excess !== undefined) return;
    this.#bytes += name.length + value.length + ENTRY_OVERHEAD_BYTES;
    if (name === "cookie") this.#crumbs += 1;
    this.#names.push(name);
    this.#values.push(value);
    this.#checkLimits();
  }

  addNeverIndexed(name: string, value: string): void {
    if (this.#excess !== undefined) return;
    this.#neverIndexed ??= [];
    this.#neverIndexed.push(this.#names.length);
    this.add(name, value);
  }

  result(): DecodedBlock {
    if (this.#excess !== undefined) return { kind: "too_large", message: this.#excess };
    return { kind: "fields", names: this.#names, values: this.#values, neverIndexed: this.#neverIndexed ?? NONE };
  }

  #checkLimits(): void {
    const { maxListBytes, maxFields, maxCookieCrumbs } = this.#limits;
    if (this.#bytes > maxListBytes) this.#drop(`more than ${maxListBytes} bytes of fields, with 32 for each`);
    else if (this.#names.length - this.#crumbs > maxFields) this.#drop(`more than ${maxFields} fields`);
    else if (this.#crumbs > maxCookieCrumbs) this.#drop(`more than ${maxCookieCrumbs} cookie fields`);
  }

  #drop(excess: string): void {
    this.#excess = excess;
    this.#names = [];
    this.#values = [];
    this.#neverIndexed = undefined;
  }
}
