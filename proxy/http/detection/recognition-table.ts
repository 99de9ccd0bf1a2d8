/**
 * The methods of `http.METHODS`, which Node's parser knows. On an undeclared port only these begin a request without a
 * version.
 */
export const KNOWN_METHODS: ReadonlySet<string> = new Set([
  ..."GET HEAD POST PUT DELETE CONNECT OPTIONS PATCH TRACE ACL BIND CHECKOUT COPY LINK LOCK M-SEARCH MERGE".split(" "),
  ..."MKACTIVITY MKCALENDAR MKCOL MOVE NOTIFY PROPFIND PROPPATCH PURGE QUERY REBIND REPORT SEARCH SOURCE".split(" "),
  ..."SUBSCRIBE UNBIND UNLINK UNLOCK UNSUBSCRIBE".split(" "),
]);

/** Whether a known method begins with this. */
export function beginsKnownMethod(start: string): boolean {
  for (const method of KNOWN_METHODS) if (method.startsWith(start)) return true;
  return false;
}

/** How servers may treat a byte when they split a request line. */
export type ByteClass = (typeof CLASSES)[number];

const CLASSES = [
  /** RFC 9110 §5.6.2: the characters of methods. */
  "token",
  /** Other visible ASCII. */
  "visible",
  /** SP and TAB, at which most servers split. */
  "blank",
  "cr",
  "lf",
  /** What Python (`str.split`, in ISO 8859-1), Ruby and C's `isspace` also split at; some of these also end a line. */
  "odd_blank",
  /** A shell's `read` drops it; a C program ends its string there. */
  "nul",
  "control",
  /**
   * The first byte of a blank in UTF-8 (U+0085, U+00A0, U+1680, U+180E, U+2000 to U+205F, U+3000, U+FEFF): two or three
   * bytes.
   */
  "wide_start",
  /** The last byte of one. */
  "wide_rest",
  "high",
] as const;

const SPLITTERS = new Set([0x0b, 0x0c, 0x1c, 0x1d, 0x1e, 0x1f, 0x85, 0xa0]);
const WIDE_STARTS = new Set([0xc2, 0xe1, 0xe2, 0xe3, 0xef]);

const TABLE: readonly ByteClass[] = Array.from({ length: 256 }, (_, byte) => classify(byte));

export function classOf(byte: number): ByteClass {
  return TABLE[byte] ?? "high";
}

/** Whether some server splits a line at this byte, or after it. */
export function mayBlank(kind: ByteClass): boolean {
  return kind === "blank" || kind === "cr" || kind === "odd_blank" || kind === "nul" || kind === "wide_rest";
}

function classify(byte: number): ByteClass {
  if (byte === 0x20 || byte === 0x09) return "blank";
  if (byte === 0x0d) return "cr";
  if (byte === 0x0a) return "lf";
  if (byte === 0) return "nul";
  if (SPLITTERS.has(byte)) return "odd_blank";
  if (byte < 0x20 || byte === 0x7f) return "control";
  if (byte < 0x80) return /[!#$%&'*+.^_`|~0-9A-Za-z-]/.test(String.fromCharCode(byte)) ? "token" : "visible";
  if (byte < 0xc0) return "wide_rest";
  return WIDE_STARTS.has(byte) ? "wide_start" : "high";
}
