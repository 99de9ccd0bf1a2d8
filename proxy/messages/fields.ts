import type { FieldList } from "./field-list.ts";
import type { TextFields } from "./text-fields.ts";

/**
 * A message's fields, in the representation of the version in which it came: HTTP/1.1 text, which goes on as the longest
 * runs of its own bytes, or a list of names and values.
 */
export type Fields = TextFields | FieldList;

/** The fields behind a body (RFC 9110 §6.5). */
export type Trailers = Fields;
