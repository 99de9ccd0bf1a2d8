import { NO_NAMES } from "../../messages/field-access.ts";
import type { Trailers } from "../../messages/fields.ts";
import { TextFields } from "../../messages/text-fields.ts";
import type { Http1Limits } from "../http1-limits.ts";
import { scanFields } from "./scan-fields.ts";

/** The fields of a judged trailer section, from its lines and the empty line; `undefined`: none. */
export function parseTrailers(bytes: Buffer, limits: Http1Limits): Trailers | undefined {
  if (bytes.length === 2) return undefined;
  const text = bytes.toString("latin1");
  // Their size is limited, not their number.
  const unnumbered = { ...limits, maxResponseFields: Number.POSITIVE_INFINITY };
  const offsets = scanFields({ buffer: bytes, start: 0, end: bytes.length, text }, 0, unnumbered, "maxResponseFields");
  return new TextFields(text, offsets, NO_NAMES, true);
}
