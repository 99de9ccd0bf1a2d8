/** Classes of bytes, as tables of 256 flags (RFC 9110 §5.6.2, §5.5). */

/** `tchar`: the characters of names and methods. 2: legal, but read as a hyphen by some servers (`foldHeaderName`). */
export const TOKEN_BYTES: Uint8Array = tableOf((byte) => {
  if (/[!#$%&'*+.^_`|~]/.test(String.fromCharCode(byte))) return 2;
  return /[0-9A-Za-z-]/.test(String.fromCharCode(byte)) ? 1 : 0;
});

/** The bytes of a field value: visible characters, blanks, and bytes above ASCII. */
export const VALUE_BYTES: Uint8Array = tableOf((byte) => (byte === 0x09 || (byte >= 0x20 && byte !== 0x7f) ? 1 : 0));

/** The bytes of a request target: visible ASCII except `#`, which clients do not send and parsers read differently. */
export const TARGET_BYTES: Uint8Array = tableOf((byte) => (byte > 0x20 && byte < 0x7f && byte !== 0x23 ? 1 : 0));

/** The bytes of most host names and IPv4 addresses. */
export const SIMPLE_NAME_BYTES: Uint8Array = tableOf((byte) =>
  /[0-9A-Za-z._-]/.test(String.fromCharCode(byte)) ? 1 : 0,
);

/** The value of a hexadecimal digit, plus one; 0 for any other byte. */
export const HEX_DIGITS: Uint8Array = tableOf((byte) => {
  const at = "0123456789abcdef".indexOf(String.fromCharCode(byte).toLowerCase());
  return byte < 0x80 ? at + 1 : 0;
});

export const CR = 0x0d;
export const LF = 0x0a;
export const SPACE = 0x20;
export const TAB = 0x09;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;

function tableOf(classify: (byte: number) => number): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => classify(byte));
}
