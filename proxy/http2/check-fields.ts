import { isForbiddenTrailer } from "../messages/field-kinds.ts";
import { fieldRuleOf, isFieldValue, parseContentLength } from "./field-rules.ts";
import type { Checked, Http2Fields, MalformedCode, MalformedMessage } from "./message-head.ts";
import { malformed } from "./message-head.ts";

const COLON = 0x3a;
const NO_POSITIONS: readonly number[] = [];

/**
 * Collects the regular fields of one message and checks each (RFC 9113 §8.2). `host` is taken out, and cookie crumbs are
 * joined (§8.2.3), because HTTP/1.1 and policies know one `Cookie` alone.
 */
export class FieldCollector {
  readonly names: string[] = [];
  readonly values: string[] = [];
  readonly #neverIndexed: number[] = [];
  host: string | undefined;
  contentLength: number | undefined;
  expectsContinue = false;
  fault: MalformedMessage | undefined;
  #cookieAt = -1;

  get neverIndexed(): readonly number[] {
    return this.#neverIndexed.length === 0 ? NO_POSITIONS : this.#neverIndexed;
  }

  /** Takes a field. @returns false: it is illegal, `fault` has the reason. */
  add(name: string, value: string, isNeverIndexed: boolean): boolean {
    const rule = fieldRuleOf(name);
    if (rule === undefined)
      return this.#refuse("bad_field_name", "a field name is not a lower-case token, or reads as another one");
    if (!isFieldValue(value))
      return this.#refuse("bad_field_value", "a field value has a control or a blank at an end");
    switch (rule) {
      case "plain":
        break;
      case "cookie":
        if (this.#cookieAt !== -1) return this.#joinCookie(value, isNeverIndexed);
        this.#cookieAt = this.names.length;
        break;
      case "content-length":
        if (!this.#setContentLength(value)) return false;
        break;
      case "host":
        if (this.host !== undefined) return this.#refuse("host_mismatch", "more than one host field");
        this.host = value;
        return true;
      case "te":
        if (value !== "trailers") return this.#refuse("connection_field", "te may contain only trailers");
        break;
      case "expect":
        this.expectsContinue ||= value.toLowerCase() === "100-continue";
        break;
      case "forbidden":
        return this.#refuse("connection_field", "a field of an HTTP/1.1 connection is not allowed in HTTP/2");
    }
    if (isNeverIndexed) this.#neverIndexed.push(this.names.length);
    this.names.push(name);
    this.values.push(value);
    return true;
  }

  #setContentLength(value: string): boolean {
    const length = parseContentLength(value);
    if (length === undefined) return this.#refuse("bad_content_length", "content-length is not a number of bytes");
    if (this.contentLength !== undefined) return this.#refuse("bad_content_length", "more than one content-length");
    this.contentLength = length;
    return true;
  }

  /** A cookie of which one crumb is never indexed is not indexed as a whole. */
  #joinCookie(crumb: string, isNeverIndexed: boolean): boolean {
    const at = this.#cookieAt;
    this.values[at] = `${this.values[at] ?? ""}; ${crumb}`;
    if (isNeverIndexed && !this.#neverIndexed.includes(at)) {
      this.#neverIndexed.push(at);
      this.#neverIndexed.sort((one, other) => one - other);
    }
    return true;
  }

  #refuse(code: MalformedCode, message: string): false {
    this.fault = { code, message };
    return false;
  }
}

/** Whether the name is a pseudo-field's (RFC 9113 §8.3). */
export function isPseudoField(name: string): boolean {
  return name.charCodeAt(0) === COLON;
}

/**
 * Takes the regular fields from position `from` on.
 * @returns `undefined` if all are legal.
 */
export function collectFields(
  { names, values, neverIndexed }: Http2Fields,
  from: number,
  into: FieldCollector,
): MalformedMessage | undefined {
  let sensitiveAt = 0;
  while (sensitiveAt < neverIndexed.length && (neverIndexed[sensitiveAt] ?? 0) < from) sensitiveAt += 1;
  for (let at = from; at < names.length; at += 1) {
    const name = names[at] ?? "";
    const isNeverIndexed = sensitiveAt < neverIndexed.length && neverIndexed[sensitiveAt] === at;
    if (isNeverIndexed) sensitiveAt += 1;
    if (isPseudoField(name)) return { code: "bad_pseudo_field", message: "a pseudo-field follows a regular field" };
    if (!into.add(name, values[at] ?? "", isNeverIndexed)) return into.fault;
  }
  return undefined;
}

/** Checks trailers: no pseudo-fields (RFC 9113 §8.1), and no fields that frame or route (RFC 9110 §6.5.1). */
export function checkTrailers(received: Http2Fields): Checked<Http2Fields> {
  const fields = new FieldCollector();
  const [first = ""] = received.names;
  if (isPseudoField(first)) return malformed("bad_trailer", "trailers must not contain pseudo-fields");
  const fault = collectFields(received, 0, fields);
  if (fault !== undefined) return { kind: "malformed", fault };
  if (received.names.some(isForbiddenTrailer)) {
    return malformed("bad_trailer", "trailers must not contain fields that frame, route, identify or authorize");
  }
  return { kind: "ok", value: fields };
}
