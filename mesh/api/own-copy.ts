/** What is kept of a message: a part of its bytes, or of one of its texts, would keep all of it in memory. */

/** Of bytes that nobody else has. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  // Not `slice`: that of a Buffer shares its memory.
  return new Uint8Array(bytes);
}

/** The beginning of a text, as a text of its own. */
export function copyText(text: string, maxLength: number): string {
  return Buffer.from(text.slice(0, maxLength), "utf8").toString("utf8");
}
