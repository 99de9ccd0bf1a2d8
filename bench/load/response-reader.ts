/** One complete response. */
export interface WholeResponse {
  readonly status: number;
  readonly bodyBytes: number;
}

/**
 * Reads responses with a Content-Length, as the bench's backend sends them; of another status than 200 the head is enough.
 * Sans-I/O: any split of the input gives the same.
 */
export class ResponseReader {
  #head = "";
  #status = 0;
  #bodyBytes = 0;
  /** `undefined`: a head is awaited. */
  #bodyLeft: number | undefined;

  /** The responses that these bytes complete. Throws where a 200 has no Content-Length. */
  push(chunk: Buffer): readonly WholeResponse[] {
    const whole: WholeResponse[] = [];
    let rest = chunk;
    while (rest.length > 0) {
      rest = this.#bodyLeft === undefined ? this.#readHead(rest) : this.#readBody(rest, this.#bodyLeft);
      if (this.#bodyLeft !== 0) continue;
      whole.push({ status: this.#status, bodyBytes: this.#bodyBytes });
      this.#bodyLeft = undefined;
    }
    return whole;
  }

  #readHead(bytes: Buffer): Buffer {
    const known = this.#head.length;
    this.#head += bytes.toString("latin1");
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) return bytes.subarray(bytes.length);
    const [, length] = /\ncontent-length: *(\d+)/i.exec(this.#head.slice(0, end + 1)) ?? [];
    this.#status = Number(this.#head.slice(9, 12));
    if (length === undefined && this.#status === 200) {
      throw new Error(`a response without Content-Length: ${this.#head.slice(0, end)}`);
    }
    this.#bodyBytes = Number(length ?? 0);
    this.#bodyLeft = this.#bodyBytes;
    this.#head = "";
    return bytes.subarray(end + 4 - known);
  }

  #readBody(bytes: Buffer, left: number): Buffer {
    const taken = Math.min(left, bytes.length);
    this.#bodyLeft = left - taken;
    return bytes.subarray(taken);
  }
}
