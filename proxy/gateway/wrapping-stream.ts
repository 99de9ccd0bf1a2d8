import { Duplex } from "node:stream";

/** A stream that wraps a connection: what is written to it goes to the connection unchanged. */
export class WrappingStream<Connection extends Duplex = Duplex> extends Duplex {
  readonly socket: Connection;

  constructor(socket: Connection) {
    super();
    this.socket = socket;
    // Errors reach the users of the stream; without any listener they would end the process.
    this.on("error", ignore);
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.socket.write(chunk, done);
  }

  /** What was written in one turn of the event loop leaves in one packet. */
  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    const last = chunks.length - 1;
    this.socket.cork();
    for (const [index, { chunk }] of chunks.entries()) this.socket.write(chunk, index === last ? done : undefined);
    this.socket.uncork();
  }
}

function ignore(): void {}
