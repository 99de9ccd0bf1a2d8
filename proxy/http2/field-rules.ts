import { isConfusable } from "../messages/field-kinds.ts";
import { plainAuthority } from "../messages/plain-authority.ts";

/** What a field means for the message; each kind has its own rule. */
export type FieldRule =
  | "plain"
  | "content-length"
  | "host"
  | "cookie"
  | "te"
  | "expect"
  /** Fields of an HTTP/1.1 connection (RFC 9113 §8.2.2): malformed. */
  | "forbidden";

const RULES: ReadonlyMap<string, FieldRule> = new Map<string, FieldRule>([
  ["content-length", "content-length"],
  ["host", "host"],
  ["cookie", "cookie"],
  ["te", "te"],
  ["expect", "expect"],
  ["connection", "forbidden"],
  ["keep-alive", "forbidden"],
  ["proxy-connection", "forbidden"],
  ["transfer-encoding", "forbidden"],
  ["upgrade", "forbidden"],
  ["http2-settings", "forbidden"],
  // Frequent names, which need no look at their characters.
  ...[
    "accept",
    "accept-encoding",
    "accept-language",
    "authorization",
    "cache-control",
    "content-type",
    "date",
    "etag",
    "grpc-status",
    "grpc-timeout",
    "last-modified",
    "location",
    "origin",
    "referer",
    "server",
    "set-cookie",
    "traceparent",
    "user-agent",
    "vary",
    "x-envoy-upstream-service-time",
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
  ].map((name): [string, FieldRule] => [name, "plain"]),
]);

const LOWER_TOKEN_BYTES = tableOf((character) => /[!#$%&'*+.^_`|~0-9a-z-]/.test(character));
/** What most names consist of: no server reads them as another name. */
const PLAIN_NAME_BYTES = tableOf((character) => /[0-9a-z-]/.test(character));
const TOKEN_BYTES = tableOf((character) => /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(character));
const TARGET_BYTES = tableOf((character) => /[!-~]/.test(character) && character !== "#");
/** Visible characters, blanks and bytes above ASCII (RFC 9110 §5.5); no other control, no DEL. */
const VALUE_BYTES = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte === 0x09 || (byte >= 0x20 && byte !== 0x7f) ? 1 : 0,
);

/**
 * The rule for a field name. `undefined`: it is no lower-case token (RFC 9113 §8.2.1), or one that CGI-like servers read
 * as one that frames, routes or identifies, as `content_length`.
 */
export function fieldRuleOf(name: string): FieldRule | undefined {
  const rule = RULES.get(name);
  if (rule !== undefined) return rule;
  if (consistsOf(name, PLAIN_NAME_BYTES)) return "plain";
  return consistsOf(name, LOWER_TOKEN_BYTES) && !isConfusable(name) ? "plain" : undefined;
}

/** Whether a value has neither controls nor blanks at its ends (RFC 9113 §8.2.1). May be empty. */
export function isFieldValue(value: string): boolean {
  const { length } = value;
  if (length === 0) return true;
  return consistsOf(value, VALUE_BYTES) && !isBlank(value.charCodeAt(0)) && !isBlank(value.charCodeAt(length - 1));
}

/** Whether it is a method (RFC 9110 §9.1). */
export function isToken(text: string): boolean {
  return consistsOf(text, TOKEN_BYTES);
}

/** Whether it is visible ASCII without `#`, not empty. */
export function isTarget(text: string): boolean {
  return consistsOf(text, TARGET_BYTES);
}

/**
 * The host and port of `:authority` and `Host` (RFC 3986 §3.2): not empty, no credentials, and nothing that two parsers
 * could read differently.
 */
export function isAuthority(text: string): boolean {
  if (!/^(?:(?:[0-9A-Za-z._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})+|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?$/.test(text))
    return false;
  return !text.includes("%") || plainAuthority(text) !== undefined;
}

/** A content-length in bytes; `undefined` if it is not one or more digits, or too large to count exactly. */
export function parseContentLength(value: string): number | undefined {
  if (!/^\d{1,16}$/.test(value)) return undefined;
  const length = Number(value);
  return Number.isSafeInteger(length) ? length : undefined;
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}

function consistsOf(text: string, bytes: Uint8Array): boolean {
  for (let at = 0; at < text.length; at += 1) if (bytes[text.charCodeAt(at)] !== 1) return false;
  return text.length > 0;
}

function tableOf(has: (character: string) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (has(String.fromCharCode(byte)) ? 1 : 0));
}
