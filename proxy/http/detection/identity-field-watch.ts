/** The start of a line, by any server's line ends (control characters, U+2028 and U+2029), and blanks. */
const LINE_START = String.raw`(?:^|\p{Cc}|\xe2\x80[\xa8\xa9])[\s\p{Cc}\x80-\xbf\xc2\xe1-\xe3\xef]{0,32}`;
/** Names that fold to the same CGI variable (RFC 3875 §4.1.18) count as equal. */
const IDENTITY_FIELD = new RegExp(LINE_START + patternOf("x-forwarded-client-cert"), "iu");

/** Blanks around a name, and the identity field: longer than what a match has besides another name. */
const OVERLAP_CHARS = 96;

/** Fields that only the proxy may set, as returned by `foldHeaderName`. */
export type ProxyFields = ReadonlySet<string>;

const NO_FIELDS: ProxyFields = new Set();

/**
 * Searches a text stream for a line that begins with `x-forwarded-client-cert`, or is one of other fields that only the
 * proxy may set (`X-User: …`; a command `USER x` is none). A lenient server may read a request in another protocol (Node
 * serves `OPTIONS rtsp://a RTSP/1.0`), and would trust the field.
 */
export class IdentityFieldWatch {
  readonly #others: RegExp | undefined;
  readonly #overlap: number;
  #tail = "";
  #isStart = true;

  constructor(others: ProxyFields = NO_FIELDS) {
    const names = [...others];
    this.#overlap = OVERLAP_CHARS + Math.max(0, ...names.map(({ length }) => length));
    const pattern = String.raw`${LINE_START}(?:${names.map(patternOf).join("|")})[\s\p{Cc}]{0,32}:`;
    this.#others = names.length === 0 ? undefined : new RegExp(pattern, "iu");
  }

  /** Whether these bytes complete the field's name. NULs do not count: a shell's `read` drops them. */
  push(chunk: Buffer): boolean {
    const text = this.#tail + chunk.toString("latin1").replaceAll("\0", "");
    const searched = this.#isStart ? text : `.${text}`;
    const found = IDENTITY_FIELD.test(searched) || this.#others?.test(searched) === true;
    this.#isStart &&= text.length <= this.#overlap;
    this.#tail = text.slice(-this.#overlap);
    return found;
  }
}

function patternOf(folded: string): string {
  return folded.replaceAll("-", String.raw`[^a-z0-9\s]`);
}
