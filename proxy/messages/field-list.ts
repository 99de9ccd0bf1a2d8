import { foldHeaderName } from "../../mesh/resources/fields/header-rules.ts";
import { type FieldAccess, NO_NAMES } from "./field-access.ts";
import { fieldKindAt } from "./field-kinds.ts";

export interface FieldTexts {
  /** In lower case. Pseudo-fields are not among them. */
  readonly names: readonly string[];
  /** `values[i]` belongs to `names[i]`. */
  readonly values: readonly string[];
  /** Positions of fields that no table may hold: they stay never-indexed through a proxy (RFC 7541 §7.1.3). */
  readonly neverIndexed: readonly number[];
}

/** Fields as lists of names and values (latin1), as HTTP/2 decodes them. */
export class FieldList implements FieldAccess {
  readonly kind = "list";
  readonly hopNames = NO_NAMES;
  readonly #names: readonly string[];
  readonly #values: readonly string[];
  readonly #neverIndexed: readonly number[];

  constructor({ names, values, neverIndexed }: FieldTexts) {
    this.#names = names;
    this.#values = values;
    this.#neverIndexed = neverIndexed;
  }

  get count(): number {
    return this.#names.length;
  }

  nameAt(index: number): string {
    return this.#names[index] ?? "";
  }

  valueAt(index: number): string {
    return this.#values[index] ?? "";
  }

  kindAt(index: number): number {
    const name = this.nameAt(index);
    return fieldKindAt(name, 0, name.length);
  }

  nameCodeAt(index: number, offset: number): number {
    return this.nameAt(index).charCodeAt(offset);
  }

  valueCodeAt(index: number, offset: number): number {
    return this.valueAt(index).charCodeAt(offset) | TO_LOWER;
  }

  /** Whether no table may hold the field. */
  isNeverIndexedAt(index: number): boolean {
    return this.#neverIndexed.includes(index);
  }

  /** Crumbs of a cookie are joined with `; ` (RFC 9113 §8.2.3). */
  get(name: string): string | undefined {
    let value: string | undefined;
    for (let index = 0; index < this.count; index += 1) {
      if (this.nameAt(index) !== name) continue;
      const found = this.valueAt(index);
      value = value === undefined ? found : `${value}${name === "cookie" ? "; " : ","}${found}`;
    }
    return value;
  }

  hasFolded(folded: string): boolean {
    for (let index = 0; index < this.count; index += 1) {
      if (foldHeaderName(this.nameAt(index)) === folded) return true;
    }
    return false;
  }
}

const TO_LOWER = 0x20;
