import { SIMPLE_NAME_BYTES } from "./byte-tables.ts";

/** Letters, digits and marks that need no escaping (RFC 3986 §2.3), and delimiters without the comma. */
const REGISTERED_NAME = /^(?:[0-9A-Za-z._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})*$/;
const UNRESERVED = /[0-9A-Za-z._~-]/;

/**
 * The canonical form of a host with or without a port (RFC 3986 §3.2.2, RFC 9110 §7.2): without an empty port and
 * without unnecessary escapes. May be empty (RFC 9112 §3.2). `undefined` if it is not a host, or one that two parsers
 * could read differently: a list, credentials, or an escaped ASCII character that a name must not contain.
 */
export function plainAuthority(authority: string): string | undefined {
  if (isSimple(authority)) return authority;
  if (authority.charCodeAt(0) === OPENING_BRACKET) {
    return /^\[[0-9A-Fa-f:.]{2,45}\](?::\d{0,5})?$/.test(authority) ? authority.replace(/:$/, "") : undefined;
  }
  const [, host = "", port = ""] = /^([^:]*)(?::(\d{0,5}))?$/.exec(authority) ?? [undefined, "?"];
  if (!REGISTERED_NAME.test(host)) return undefined;
  const plain = host.includes("%") ? plainName(host) : host;
  if (plain === undefined || (plain === "" && port !== "")) return undefined;
  return port === "" ? plain : `${plain}:${port}`;
}

const OPENING_BRACKET = 0x5b;

/**
 * Whether it is only letters, digits, dots, hyphens and underscores, with an optional port, as nearly every host is.
 */
function isSimple(authority: string): boolean {
  let at = 0;
  while (SIMPLE_NAME_BYTES[authority.charCodeAt(at)] === 1) at += 1;
  return at > 0 && (at === authority.length || /^:\d{1,5}$/.test(authority.slice(at)));
}

/** RFC 3986 §6.2.2: escapes in upper case, and none that are unnecessary. */
function plainName(host: string): string | undefined {
  let isSound = true;
  const plain = host.replaceAll(/%([0-9A-Fa-f]{2})/g, (escaped, digits: string) => {
    const byte = Number.parseInt(digits, 16);
    const character = String.fromCharCode(byte);
    if (UNRESERVED.test(character)) return character;
    if (byte < 0x80) isSound = false;
    return escaped.toUpperCase();
  });
  return isSound ? plain : undefined;
}
