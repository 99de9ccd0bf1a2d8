import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { ACK, PREFACE, splitFrames, TYPE, type WireFrame, wireFrame } from "./wire-frames-fixture.ts";

/** One side of an HTTP/2 connection that sends what it is given, and reads whole frames. Acknowledges SETTINGS. */
export class WirePeer {
  readonly #socket: Socket;
  readonly #frames: WireFrame[] = [];
  #rest: Buffer;
  #isEnded = false;
  #wake: () => void = () => undefined;

  /** @param skipped bytes at the begin that are no frames: a client's preface. */
  constructor(socket: Socket, skipped = 0) {
    this.#socket = socket;
    this.#rest = Buffer.alloc(0);
    let left = skipped;
    socket.on("error", () => undefined); // A peer under test may reset the connection; `next` then returns undefined.
    socket.on("data", (chunk: Buffer) => {
      const dropped = Math.min(left, chunk.length);
      left -= dropped;
      this.#receive(chunk.subarray(dropped));
    });
    socket.on("close", () => {
      this.#isEnded = true;
      this.#wake();
    });
  }

  send(...frames: readonly Buffer[]): void {
    this.#socket.write(Buffer.concat(frames));
  }

  /** The next frame, or nothing once the connection is closed. */
  async next(): Promise<WireFrame | undefined> {
    while (this.#frames.length === 0 && !this.#isEnded) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#frames.shift();
  }

  /** The next frame of a type; fails when the connection is closed before. */
  async nextOf(type: number): Promise<WireFrame> {
    for (;;) {
      const frame = await this.next();
      if (frame === undefined) throw new Error(`the connection was closed before a frame of type ${type}`);
      if (frame.type === type) return frame;
    }
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    const { frames, rest } = splitFrames(Buffer.concat([this.#rest, chunk]));
    this.#rest = rest;
    for (const frame of frames) {
      if (frame.type === TYPE.settings && (frame.flags & ACK) === 0) this.send(wireFrame(TYPE.settings, ACK, 0));
      this.#frames.push(frame);
    }
    this.#wake();
  }
}

/** A client of a server on loopback, after its preface and SETTINGS (pairs of identifier and value). */
export async function connectWireClient(
  port: number,
  settings: readonly (readonly [identifier: number, value: number])[] = [],
): Promise<WirePeer> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  const client = new WirePeer(socket);
  client.send(PREFACE, settingsFrame(settings));
  return client;
}

/** The server's side of an accepted socket. */
export function acceptWireServer(
  socket: Socket,
  settings: readonly (readonly [identifier: number, value: number])[] = [],
): WirePeer {
  socket.setNoDelay(true);
  const server = new WirePeer(socket, PREFACE.length);
  server.send(settingsFrame(settings));
  return server;
}

function settingsFrame(settings: readonly (readonly [identifier: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(6 * settings.length);
  for (const [index, [identifier, value]] of settings.entries()) {
    payload.writeUInt16BE(identifier, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  }
  return wireFrame(TYPE.settings, 0, 0, payload);
}
