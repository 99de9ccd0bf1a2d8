import { CR, LF, SPACE, TARGET_BYTES, TOKEN_BYTES } from "../messages/byte-tables.ts";

/** RFC 9110 sets no limit; the longest registered method has 17 bytes. */
export const MAX_METHOD_BYTES = 32;

const SHAPE = "HTTP/d.d\r\n";

/**
 * Watches whether an incomplete request line can still become valid (RFC 9112 §3). So a client that speaks another
 * protocol is refused at its first wrong byte, and not at the head timeout. Examines each byte once.
 */
export class RequestLineWatch {
  #part: "start" | "method" | "target" | "version" | "over" = "start";
  #at = 0;
  #length = 0;
  #version = "";

  /** @param head the received part of the head. */
  canBecomeRequest(head: Buffer): boolean {
    if (this.#part === "start") {
      while (head[this.#at] === CR && head[this.#at + 1] === LF) this.#at += 2;
      // A single CR may be half of an empty line.
      if (this.#at === head.length || (head[this.#at] === CR && this.#at + 1 === head.length)) return true;
      this.#part = "method";
    }
    for (; this.#at < head.length && this.#part !== "over"; this.#at += 1) {
      if (!this.#step(head[this.#at] ?? 0)) return false;
    }
    return true;
  }

  #step(byte: number): boolean {
    switch (this.#part) {
      case "method":
        return this.#stepMethod(byte);
      case "target":
        return this.#stepTarget(byte);
      case "version":
        return this.#stepVersion(byte);
      case "start":
      case "over":
        return true;
    }
  }

  #stepMethod(byte: number): boolean {
    if (byte === SPACE) return this.#endPart("target");
    this.#length += 1;
    return TOKEN_BYTES[byte] !== 0 && this.#length <= MAX_METHOD_BYTES;
  }

  #stepTarget(byte: number): boolean {
    if (byte === SPACE) return this.#endPart("version");
    this.#length += 1;
    return TARGET_BYTES[byte] === 1;
  }

  #endPart(next: "target" | "version"): boolean {
    const isEmpty = this.#length === 0;
    this.#part = next;
    this.#length = 0;
    return !isEmpty;
  }

  #stepVersion(byte: number): boolean {
    const expected = SHAPE.charAt(this.#version.length);
    const text = String.fromCharCode(byte);
    if (expected === "d" ? !/\d/.test(text) : text !== expected) return false;
    this.#version += text;
    if (byte !== LF) return true;
    this.#part = "over";
    return this.#version === "HTTP/1.1\r\n" || this.#version === "HTTP/1.0\r\n";
  }
}
