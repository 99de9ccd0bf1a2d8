import type { Field } from "../../messages/field-access.ts";
import type { FieldWriter, OutputFields } from "../connection/header-block-writer.ts";
import { writeAdded } from "./write-fields.ts";

/** Fields of the proxy's own, or trailers: complete when they are made, and written when the stream's turn has come. */
export class AddedFields implements OutputFields {
  readonly #fields: readonly Field[];

  constructor(fields: readonly Field[]) {
    this.#fields = fields;
  }

  /** Their size without compression. */
  get bytes(): number {
    return this.#fields.reduce((sum, { name, value }) => sum + name.length + value.length + 2, 0);
  }

  writeTo(writer: FieldWriter): void {
    writeAdded(writer, this.#fields);
  }
}
