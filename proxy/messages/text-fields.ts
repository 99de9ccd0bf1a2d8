import { foldsTo } from "../../mesh/resources/fields/header-rules.ts";
import type { FieldAccess } from "./field-access.ts";

/** How many numbers there are per field: name start, name end, value start, value end, kind. */
export const FIELD_STRIDE = 5;

/** The fields of an HTTP/1.1 message. The head is kept once, as text; everything else points into it. */
export class TextFields implements FieldAccess {
  readonly kind = "text";
  /**
   * The head, from start line to empty line, one character per byte (latin1): as it came, or in its canonical form if
   * it came in a legal but unusual one. Of trailers: their lines and the empty line.
   */
  readonly text: string;
  /**
   * `FIELD_STRIDE` numbers per field, in order: offsets into `text`, then a `FieldKind`. Offsets of a value exclude the
   * blanks around it. A line extends from its name's start to the next line's.
   */
  readonly offsets: readonly number[];
  readonly hopNames: readonly string[];
  /** Whether `text` equals the received bytes. */
  readonly isVerbatim: boolean;

  constructor(text: string, offsets: readonly number[], hopNames: readonly string[], isVerbatim: boolean) {
    this.text = text;
    this.offsets = offsets;
    this.hopNames = hopNames;
    this.isVerbatim = isVerbatim;
  }

  /** Where the field lines begin in `text`: the length of the start line including its CRLF. */
  get fieldsAt(): number {
    return this.offsets[0] ?? this.text.length - 2;
  }

  get count(): number {
    return this.offsets.length / FIELD_STRIDE;
  }

  nameAt(index: number): string {
    const at = index * FIELD_STRIDE;
    return this.text.slice(this.offsets[at], this.offsets[at + 1]).toLowerCase();
  }

  valueAt(index: number): string {
    const at = index * FIELD_STRIDE;
    return this.text.slice(this.offsets[at + 2], this.offsets[at + 3]);
  }

  kindAt(index: number): number {
    return this.offsets[index * FIELD_STRIDE + 4] ?? 0;
  }

  nameCodeAt(index: number, offset: number): number {
    return this.text.charCodeAt((this.offsets[index * FIELD_STRIDE] ?? 0) + offset) | TO_LOWER;
  }

  valueCodeAt(index: number, offset: number): number {
    return this.text.charCodeAt((this.offsets[index * FIELD_STRIDE + 2] ?? 0) + offset) | TO_LOWER;
  }

  get(name: string): string | undefined {
    const { text, offsets } = this;
    let value: string | undefined;
    for (let at = 0; at < offsets.length; at += FIELD_STRIDE) {
      const start = offsets[at] ?? 0;
      const end = offsets[at + 1] ?? 0;
      if (end - start !== name.length || text.slice(start, end).toLowerCase() !== name) continue;
      const found = text.slice(offsets[at + 2], offsets[at + 3]);
      value = value === undefined ? found : `${value},${found}`;
    }
    return value;
  }

  hasFolded(folded: string): boolean {
    const { text, offsets } = this;
    for (let at = 0; at < offsets.length; at += FIELD_STRIDE) {
      if (foldsTo(text, offsets[at] ?? 0, offsets[at + 1] ?? 0, folded)) return true;
    }
    return false;
  }
}

const TO_LOWER = 0x20;
