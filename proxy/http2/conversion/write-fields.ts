import { type FieldRules, isDropped } from "../../messages/edits/head-edits.ts";
import type { Field } from "../../messages/field-access.ts";
import { FIELD, fieldKindAt, type KindSet, kindSetOf } from "../../messages/field-kinds.ts";
import type { Fields } from "../../messages/fields.ts";
import type { FieldWriter } from "../connection/header-block-writer.ts";
import { DELIVERY_FIELD } from "./delivery-field.ts";

/**
 * What HTTP/2 does not have or writes otherwise: fields of an HTTP/1.1 connection (RFC 9113 §8.2.2), `host`, which is
 * `:authority`, and the fields that only a proxy writes.
 */
export const NOT_IN_HTTP2: KindSet = kindSetOf(
  FIELD.host,
  FIELD.connection,
  FIELD.hopByHop,
  FIELD.te,
  FIELD.transferEncoding,
  FIELD.upgrade,
  FIELD.forwardedClientCert,
);

/** A route may set `x-forwarded-client-cert`, but no field that would make the message malformed. */
const NOT_IN_HTTP2_OF_ROUTES = NOT_IN_HTTP2 & ~kindSetOf(FIELD.forwardedClientCert);

/**
 * Writes the fields that are forwarded, by their names in lower case. Secrets stay never-indexed (RFC 7541 §7.1.3).
 * @returns their size without compression.
 */
export function writeKept(writer: FieldWriter, fields: Fields, rules: FieldRules): number {
  let bytes = 0;
  for (let index = 0; index < fields.count; index += 1) {
    if (isDropped(fields, index, rules)) continue;
    const name = fields.nameAt(index);
    if (name === DELIVERY_FIELD) continue;
    const value = fields.valueAt(index);
    bytes += sizeOfField(name, value);
    if (fields.kind === "list" && fields.isNeverIndexedAt(index)) writer.secretField(name, value);
    else writer.field(name, value);
  }
  return bytes;
}

/**
 * Writes fields of the proxy's own or of a route, which may spell names in any case.
 * @returns their size without compression.
 */
export function writeAdded(writer: FieldWriter, fields: readonly Field[]): number {
  let bytes = 0;
  for (const { name, value } of fields) {
    const lower = name.toLowerCase();
    if ((NOT_IN_HTTP2_OF_ROUTES & (1 << fieldKindAt(lower, 0, lower.length))) !== 0) continue;
    bytes += sizeOfField(lower, value);
    writer.field(lower, value);
  }
  return bytes;
}

/** Counted with two bytes for the ends of name and value. */
function sizeOfField(name: string, value: string): number {
  return name.length + value.length + 2;
}
