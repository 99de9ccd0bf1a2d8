import type { FoldedHeaders } from "../../../mesh/policy/routing/header-operations.ts";
import { FIELD, kindSetOf } from "../../messages/field-kinds.ts";
import type { ResponseHead } from "../../messages/message-head.ts";
import { responseContent } from "../../messages/response-content.ts";
import type { FieldWriter, OutputFields } from "../connection/header-block-writer.ts";
import { NOT_IN_HTTP2, writeAdded, writeKept } from "./write-fields.ts";

const NOT_IN_HTTP2_AND_LENGTH = NOT_IN_HTTP2 | kindSetOf(FIELD.contentLength);

/** The fields of a response's head, whatever its version, as they go to a client. */
export class ResponseFields implements OutputFields {
  readonly #head: ResponseHead;
  readonly #headers: FoldedHeaders | undefined;
  #bytes = 0;

  /** @param headers the route's operations. */
  constructor(head: ResponseHead, headers: FoldedHeaders | undefined) {
    this.#head = head;
    this.#headers = headers;
  }

  /** The size of what was written, without compression. */
  get bytes(): number {
    return this.#bytes;
  }

  writeTo(writer: FieldWriter): void {
    const { fields, status } = this.#head;
    const hasNoLength = responseContent(status) === "forbidden";
    const dropped = hasNoLength ? NOT_IN_HTTP2_AND_LENGTH : NOT_IN_HTTP2;
    const headers = this.#headers;
    this.#bytes = writeKept(writer, fields, { dropped, headers, hop: undefined });
    if (headers !== undefined) this.#bytes += writeAdded(writer, headers.added);
  }
}
