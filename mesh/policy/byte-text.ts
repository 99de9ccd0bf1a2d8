/** A field's value as a message's head contains it: one character for each byte of its UTF-8 (latin1). */
export function byteTextFrom(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}

/** The way back, for people. Bytes that are not UTF-8 become U+FFFD. */
export function textFromBytes(bytes: string): string {
  return Buffer.from(bytes, "latin1").toString("utf8");
}
