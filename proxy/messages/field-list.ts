import { foldHeaderName } from "../../mesh/resources/fields/header-rules.ts";
import { type FieldAccess, NO_NAMES } from "./field-access.ts";
import { fieldKindAt } from "./field-kinds.ts";

/** Fields as a list of texts (latin1), as HTTP/2 decodes them. Pseudo-fields are not among them. */
export class FieldList implements FieldAccess {
  readonly kind = "list";
  readonly hopNames = NO_NAMES;
  readonly #texts: readonly string[];
  readonly #secret: ReadonlySet<number> | undefined;

  /**
   * @param texts names in lower case and values, alternating.
   * @param secret indexes of fields that no table may hold: they stay never-indexed through a proxy (RFC 7541 §7.1.3).
   */
  constructor(texts: readonly string[], secret?: ReadonlySet<number>) {
    this.#texts = texts;
    this.#secret = secret;
  }

  get count(): number {
    return this.#texts.length / 2;
  }

  nameAt(index: number): string {
    return this.#texts[index * 2] ?? "";
  }

  valueAt(index: number): string {
    return this.#texts[index * 2 + 1] ?? "";
  }

  kindAt(index: number): number {
    const name = this.nameAt(index);
    return fieldKindAt(name, 0, name.length);
  }

  nameCodeAt(index: number, offset: number): number {
    return this.nameAt(index).charCodeAt(offset);
  }

  /** Whether the field came as never-indexed. */
  isSecretAt(index: number): boolean {
    return this.#secret?.has(index) === true;
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
