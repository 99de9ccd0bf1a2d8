/**
 * The allowed names and values of a route's header operations. The proxy checks received messages by the same rules.
 */

/** RFC 9110, section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9a-z-]+$/;
/** A name that JavaScript treats as an object's prototype. */
const PROTOTYPE = "__proto__";
const MAX_NAME_LENGTH = 256;
const MAX_VALUE_LENGTH = 8192;

/**
 * Fields that determine where a message ends, its destination or its sender. A route that changed them could split one
 * request into two, or give a client another one's identity.
 */
const FORBIDDEN: ReadonlyMap<string, string> = new Map([
  ["content-length", "frames the message"],
  ["transfer-encoding", "frames the message"],
  ["trailer", "frames the message"],
  ["expect", "frames the message"],
  ["connection", "is for one hop"],
  ["keep-alive", "is for one hop"],
  ["proxy-connection", "is for one hop"],
  ["proxy-authenticate", "is for one hop"],
  ["proxy-authorization", "is for one hop"],
  ["te", "is for one hop"],
  ["upgrade", "is for one hop"],
  ["http2-settings", "is for one hop"],
  ["host", "names the server: use rewrite.authority, or `host` in headers.request.set"],
  ["x-forwarded-client-cert", "carries the identity that the proxy verified"],
]);

/**
 * Folds a field name like servers that turn it into a variable (RFC 3875, section 4.1.18: CGI, and therefore WSGI, Rack
 * and PHP). `X-Secret`, `x_secret` and `x.secret` all become `HTTP_X_SECRET`; Go treats `_` like `-`, lighttpd every
 * other character. Code that removes or refuses a field must compare folded names, or the application receives the
 * field under another name.
 */
export function foldHeaderName(name: string): string {
  const lowered = name.toLowerCase();
  return /^[a-z0-9-]*$/.test(lowered) ? lowered : lowered.replaceAll(/[^a-z0-9]/g, "-");
}

/**
 * Whether the name from `start` to `end` of a text folds to `folded`, as `foldHeaderName` folds it. For the data path:
 * it allocates nothing.
 */
export function foldsTo(text: string, start: number, end: number, folded: string): boolean {
  if (end - start !== folded.length) return false;
  for (let at = 0; at < folded.length; at += 1) {
    if (foldCharacter(text.charCodeAt(start + at)) !== folded.charCodeAt(at)) return false;
  }
  return true;
}

function foldCharacter(code: number): number {
  const lowered = code >= UPPER_A && code <= UPPER_Z ? code + TO_LOWER : code;
  const isKept = (lowered >= LOWER_A && lowered <= LOWER_Z) || (lowered >= DIGIT_0 && lowered <= DIGIT_9);
  return isKept ? lowered : HYPHEN;
}

const UPPER_A = 0x41;
const UPPER_Z = 0x5a;
const LOWER_A = 0x61;
const LOWER_Z = 0x7a;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
const HYPHEN = 0x2d;
const TO_LOWER = 0x20;

/** Why operations may not change a field; undefined if they may. */
export function findHeaderNameFault(name: string): string | undefined {
  const lowered = name.toLowerCase();
  if (lowered.startsWith(":")) return `${name} is a pseudo-header, which operations cannot change`;
  const fault = findFieldNameFault(name);
  if (fault !== undefined) return fault;
  const reason = FORBIDDEN.get(foldHeaderName(lowered));
  return reason && `${name} cannot be changed by configuration: it ${reason}`;
}

/** Why a text is not the name of a field; undefined if it is. */
export function findFieldNameFault(name: string): string | undefined {
  const lowered = name.toLowerCase();
  if (TOKEN.test(lowered) && lowered !== PROTOTYPE && name.length <= MAX_NAME_LENGTH) return undefined;
  return `${JSON.stringify(name.slice(0, 60))} is not a usable header name (RFC 9110, section 5.6.2)`;
}

/** Why a value cannot be sent; undefined if it can. It could end the line, or be ambiguous. */
export function findHeaderValueFault(value: string): string | undefined {
  if (value.length > MAX_VALUE_LENGTH) return `has ${value.length} characters; at most ${MAX_VALUE_LENGTH} are allowed`;
  return /^[\x20-\x7e]*$/.test(value) ? undefined : "must be printable ASCII: no line breaks or control characters";
}

/** Whether a name in `headers.request.set` means the authority, as in Istio. */
export function isAuthorityName(name: string): boolean {
  return /^(?::authority|host)$/i.test(name);
}

/** Why a text is not a valid Host; undefined if it is: a name or an address, with or without a port. */
export function findAuthorityFault(text: string): string | undefined {
  const isAuthority = /^(?:[a-z0-9_](?:[a-z0-9._-]{0,254})|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?$/i.test(text);
  return isAuthority ? undefined : "must be a host name or an address, with or without a port";
}

/** Why a text is not a valid path, with or without a query; undefined if it is. */
export function findPathFault(text: string): string | undefined {
  return /^\/[\x21\x22\x24-\x7e]*$/.test(text)
    ? undefined
    : "must begin with `/` and be visible ASCII without `#`: percent-encode the rest";
}
