/** What the loads ask the gRPC backend for, and what it sends: messages whose content nobody reads, in gRPC's framing. */

/** Of a message in a stream, its prefix of 5 bytes included: what fits into a page. */
export const STREAM_MESSAGE_BYTES = 4096;
const PREFIX_BYTES = 5;

/** A unary answer's message, 18 bytes with its prefix. */
export const UNARY_MESSAGE = formatGrpcMessage(Buffer.from("Hello, world\n"));

/**
 * A request. Its message is a number of 4 bytes: so many messages of 4 KB come back as a server stream; at 0, one of 18
 * bytes.
 */
export function formatGrpcRequest(streamedMessages: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(streamedMessages);
  return formatGrpcMessage(payload);
}

/** How many messages a request asks for; `undefined`: these bytes are no request of the bench's. */
export function parseGrpcRequest(bytes: Buffer): number | undefined {
  const isRequest = bytes.length === PREFIX_BYTES + 4 && bytes[0] === 0 && bytes.readUInt32BE(1) === 4;
  return isRequest ? bytes.readUInt32BE(PREFIX_BYTES) : undefined;
}

/** A message, not compressed: a zero, the length, the payload. */
export function formatGrpcMessage(payload: Buffer): Buffer {
  const prefix = Buffer.alloc(PREFIX_BYTES);
  prefix.writeUInt32BE(payload.length, 1);
  return Buffer.concat([prefix, payload]);
}

/** Counts the whole messages in a stream of bytes, which may be split anywhere. */
export class GrpcMessageCounter {
  #count = 0;
  #prefix: number[] = [];
  #payloadLeft = 0;

  get count(): number {
    return this.#count;
  }

  /** Whether the bytes so far end where a message ends. */
  get isBetweenMessages(): boolean {
    return this.#payloadLeft === 0 && this.#prefix.length === 0;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#payloadLeft > 0) {
        const taken = Math.min(this.#payloadLeft, chunk.length - at);
        at += taken;
        this.#payloadLeft -= taken;
        if (this.#payloadLeft === 0) this.#count += 1;
        continue;
      }
      this.#prefix.push(chunk[at] ?? 0);
      at += 1;
      if (this.#prefix.length < PREFIX_BYTES) continue;
      this.#payloadLeft = Buffer.from(this.#prefix).readUInt32BE(1);
      this.#prefix = [];
      if (this.#payloadLeft === 0) this.#count += 1;
    }
  }
}
