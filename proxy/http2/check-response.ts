import { collectFields, FieldCollector } from "./check-fields.ts";
import type { Checked, Http2Fields, Http2ResponseHead } from "./message-head.ts";
import { malformed } from "./message-head.ts";

/**
 * Checks the decoded fields of a response, final or interim (RFC 9113 §8.2, §8.3.2).
 * @param endsStream whether the head is the whole response.
 * @param toHead whether it responds to HEAD, so that content-length describes content that does not follow.
 */
export function checkResponse(received: Http2Fields, endsStream: boolean, toHead: boolean): Checked<Http2ResponseHead> {
  const { names: receivedNames, values: receivedValues } = received;
  const status = receivedValues[0] ?? "";
  if (receivedNames[0] !== ":status") return malformed("bad_pseudo_field", "a response must begin with :status");
  if (!/^[1-9]\d\d$/.test(status)) return malformed("bad_status", ":status must have three digits");
  if (status === "101") return malformed("bad_status", "101 does not exist in HTTP/2 (RFC 9113 §8.6)");
  const fields = new FieldCollector();
  const fault = collectFields(received, 1, fields);
  if (fault !== undefined) return { kind: "malformed", fault };
  if (fields.host !== undefined) return malformed("bad_field_name", "a response must not contain host");
  const code = Number(status);
  if (endsStream && code < 200) return malformed("bad_status", "an interim response must not end the stream");
  const { contentLength, names, values, neverIndexed } = fields;
  const declares = contentLength !== undefined && contentLength > 0;
  if (endsStream && declares && !toHead && !isWithoutContent(code)) {
    return malformed("bad_content_length", "a response without content declares content");
  }
  return { kind: "ok", value: { status: code, contentLength, names, values, neverIndexed } };
}

/** Whether no content may follow, whatever content-length declares (RFC 9110 §6.4.1). */
export function isWithoutContent(status: number): boolean {
  return status < 200 || status === 204 || status === 304;
}
