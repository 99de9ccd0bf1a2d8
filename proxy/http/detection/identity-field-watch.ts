/**
 * The field at the start of a line, by any server's line ends (control characters, U+2028 and U+2029) and after blanks.
 * Names that fold to the same CGI variable (RFC 3875 §4.1.18) count as equal.
 */
const IDENTITY_FIELD =
  /(?:^|\p{Cc}|\xe2\x80[\xa8\xa9])[\s\p{Cc}\x80-\xbf\xc2\xe1-\xe3\xef]{0,32}x[^a-z0-9\s]forwarded[^a-z0-9\s]client[^a-z0-9\s]cert/iu;

/** Longer than the longest match. */
const OVERLAP_CHARS = 64;

/**
 * Searches a text stream for a line that begins with `x-forwarded-client-cert`. A lenient server may read a request in
 * another protocol (Node serves `OPTIONS rtsp://a RTSP/1.0`), and would trust the field.
 */
export class IdentityFieldWatch {
  #tail = "";
  #isStart = true;

  /** Whether these bytes complete the field's name. NULs do not count: a shell's `read` drops them. */
  push(chunk: Buffer): boolean {
    const text = this.#tail + chunk.toString("latin1").replaceAll("\0", "");
    const found = IDENTITY_FIELD.test(this.#isStart ? text : `.${text}`);
    this.#isStart &&= text.length <= OVERLAP_CHARS;
    this.#tail = text.slice(-OVERLAP_CHARS);
    return found;
  }
}
