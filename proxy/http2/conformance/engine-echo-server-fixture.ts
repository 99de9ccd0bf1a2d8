import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { OutputFields } from "../connection/header-block-writer.ts";
import type { Http2Event } from "../connection/http2-events.ts";
import { Http2ServerConnection } from "../connection/http2-server-connection.ts";
import type { Http2Stream } from "../connection/http2-stream.ts";
import type { Http2RequestHead } from "../message-head.ts";
import type { EchoedRequest } from "./judge-wire-case-fixture.ts";

/** A request that is being received. */
interface Exchange {
  readonly head: Http2RequestHead;
  readonly body: Buffer[];
}

const FIELDS: OutputFields = { writeTo: (writer) => writer.field("content-type", "application/json") };

export interface EchoOptions {
  /** How long a response takes, in ms, as if it came through a proxy; without it there is none. */
  readonly responseMs?: number;
}

/** A server of our engine on loopback that responds to each request with what it received, as JSON. CONNECT is refused. */
export interface EngineEchoServer {
  readonly port: number;
  /** Every request that was received whole. */
  readonly requests: readonly EchoedRequest[];
  close(): void;
}

export async function startEngineEchoServer(options: EchoOptions = {}): Promise<EngineEchoServer> {
  const requests: EchoedRequest[] = [];
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    new EchoConnection(socket, requests, options).start();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { port: address.port, requests, close };
}

class EchoConnection {
  readonly #engine = new Http2ServerConnection<Exchange>({ nowMs: performance.now() });
  readonly #socket: Socket;
  readonly #requests: EchoedRequest[];
  readonly #options: EchoOptions;

  constructor(socket: Socket, requests: EchoedRequest[], options: EchoOptions) {
    this.#socket = socket;
    this.#requests = requests;
    this.#options = options;
  }

  start(): void {
    const clock = setInterval(() => this.#handle(this.#engine.expire(performance.now())), 1000);
    this.#socket.on("data", (chunk: Buffer) => this.#handle(this.#engine.receive(chunk, performance.now())));
    this.#socket.on("drain", () => this.#flush());
    this.#socket.on("error", () => undefined); // Clients that test a server reset connections.
    this.#socket.on("close", () => {
      clearInterval(clock);
      for (const event of this.#engine.end()) this.#handleOne(event);
    });
    this.#flush();
  }

  #handle(events: readonly Http2Event<Http2RequestHead, Exchange>[]): void {
    for (const event of events) this.#handleOne(event);
    this.#flush();
    if (events.some(({ kind }) => kind === "failed" || kind === "drained")) this.#socket.destroySoon();
  }

  #flush(): void {
    while (this.#engine.hasOutput && !this.#socket.writableNeedDrain) {
      for (const bytes of this.#engine.takeOutput()) this.#socket.write(bytes);
      for (const event of this.#engine.takeEvents()) this.#handleOne(event);
    }
  }

  #handleOne(event: Http2Event<Http2RequestHead, Exchange>): void {
    if (event.kind === "reset") this.#engine.release(event.stream);
    if (event.kind === "head") event.stream.context = { head: event.head, body: [] };
    if (event.kind === "data") {
      event.stream.context?.body.push(event.bytes);
      this.#engine.consume(event.stream, event.bytes.length);
    }
    if (event.kind === "head" && event.head.method === "CONNECT") this.#finish(event.stream, 405, Buffer.alloc(0));
    else if (event.kind === "trailers" || ((event.kind === "head" || event.kind === "data") && event.endsStream)) {
      this.#respondIn(event.stream);
    }
  }

  #respondIn(stream: Http2Stream<Exchange>): void {
    const { responseMs } = this.#options;
    if (responseMs === undefined) {
      this.#respond(stream);
      return;
    }
    setTimeout(() => {
      this.#respond(stream);
      this.#flush();
    }, responseMs);
  }

  #respond(stream: Http2Stream<Exchange>): void {
    if (stream.context === undefined || stream.life !== "open") return;
    const { head, body } = stream.context;
    const echoed: EchoedRequest = {
      method: head.method,
      path: head.path,
      authority: head.authority,
      fields: head.names.map((name, index) => [name, head.values[index] ?? ""]),
      body: Buffer.concat(body).toString("latin1"),
    };
    this.#requests.push(echoed);
    this.#finish(stream, 200, Buffer.from(JSON.stringify(echoed)));
  }

  #finish(stream: Http2Stream<Exchange>, status: number, content: Buffer): void {
    this.#engine.respond(stream, status, FIELDS, content.length === 0);
    if (content.length > 0) this.#engine.sendData(stream, content, true);
    // Content that waits for the peer's window goes on by itself; its stream is closed by its end.
    if (stream.local === "ended") this.#engine.release(stream);
  }
}
