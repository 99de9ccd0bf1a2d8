import { Duplex } from "node:stream";
import type { WebSocket } from "undici";
import { KubernetesApiError } from "../kubernetes-api-error.ts";
import { ChannelDecoder, type ChannelEvent, encodeData } from "./channel-frames.ts";

/** Bytes that may wait for a reader: a WebSocket cannot be paused. */
const MAX_UNREAD_BYTES = 64 * 1024 * 1024;
const NO_BYTES = Buffer.alloc(0);

/**
 * A forwarded connection as a stream. It cannot be ended in one direction alone: `end` sends nothing, and closing the
 * stream closes the connection.
 */
export class PodPortStream extends Duplex {
  readonly #socket: WebSocket;
  readonly #decoder = new ChannelDecoder();
  readonly #call: string;

  /** @param call for messages */
  constructor(socket: WebSocket, call: string) {
    super();
    this.#socket = socket;
    this.#call = call;
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.#receive(data));
    socket.addEventListener("close", () => this.push(null));
    socket.addEventListener("error", () => this.destroy(this.#failure("the connection was cut")));
  }

  override _read(): void {
    // Frames arrive by themselves.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error) => void): void {
    if (this.#socket.readyState !== this.#socket.OPEN) {
      done(this.#failure("the connection is closed"));
      return;
    }
    this.#socket.send(encodeData(chunk));
    done();
  }

  override _final(done: (error?: Error) => void): void {
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.close();
    done(error);
  }

  #receive(data: unknown): void {
    const frame = data instanceof ArrayBuffer ? Buffer.from(data) : NO_BYTES;
    for (const event of this.#decoder.push(frame)) this.#handle(event);
  }

  #handle(event: ChannelEvent): void {
    if (this.destroyed) return;
    switch (event.kind) {
      case "data":
        this.push(event.bytes);
        if (this.readableLength > MAX_UNREAD_BYTES) this.destroy(this.#failure("too many bytes are unread"));
        return;
      case "error":
        this.destroy(this.#failure(shorten(event.message)));
        return;
      case "malformed":
        this.destroy(this.#failure(event.reason));
    }
  }

  #failure(reason: string): KubernetesApiError {
    return new KubernetesApiError("api_unreachable", `${this.#call}: ${reason}`);
  }
}

/** The kubelet's message repeats itself for each address; what a caller can act on is at its end. */
function shorten(message: string): string {
  return /connection refused/.test(message)
    ? "nothing listens on it (connection refused)"
    : message.trim().slice(0, 300);
}
