/** For tests: two engines with a simulated network between them, on a clock of its own. */
import { MESH_HTTP2_LIMITS } from "../http2-limits.ts";
import { Http2ClientConnection } from "./http2-client-connection.ts";
import type { Http2Connection } from "./http2-connection.ts";
import type { Http2Event } from "./http2-events.ts";
import { Http2ServerConnection } from "./http2-server-connection.ts";
import type { Http2Stream } from "./http2-stream.ts";
import { outputFields } from "./raw-peer-fixture.ts";

type Stream = Http2Stream<undefined>;

export interface Network {
  readonly roundTripMs: number;
  /** What passes it in one direction. */
  readonly bytesPerMs: number;
  /** How much one read of a socket brings. */
  readonly readBytes: number;
}

export interface Transfer {
  /** The stream's window in the end. */
  readonly windowBytes: number;
  /** What a round trip brought, in the second half. */
  readonly bytesPerRoundTrip: number;
}

const PIECE = Buffer.alloc(64_000);

/** What happens later, in its order. */
class Future {
  nowMs = 0;
  #events: { readonly atMs: number; readonly run: () => void }[] = [];

  add(atMs: number, run: () => void): void {
    const later = this.#events.findIndex((event) => event.atMs > atMs);
    this.#events.splice(later === -1 ? this.#events.length : later, 0, { atMs, run });
  }

  runUntil(endMs: number): void {
    for (let next = this.#events[0]; next !== undefined && next.atMs <= endMs; next = this.#events[0]) {
      this.#events.shift();
      this.nowMs = next.atMs;
      next.run();
    }
    this.nowMs = endMs;
  }
}

interface Reader {
  read(chunk: Buffer): void;
}

/** One end: writes all that its engine allows, and takes all that arrives. */
class End<Head> {
  received = 0;
  readonly #engine: Http2Connection<Head, undefined>;
  readonly #future: Future;
  readonly #network: Network;
  readonly #onHead: (stream: Stream) => void;
  #other: Reader | undefined;
  /** The stream on which it sends without end. */
  #source: Stream | undefined;
  #isFull = false;
  #busyUntilMs = 0;

  constructor(
    engine: Http2Connection<Head, undefined>,
    { future, network }: { readonly future: Future; readonly network: Network },
    onHead: (stream: Stream) => void = () => undefined,
  ) {
    this.#engine = engine;
    this.#future = future;
    this.#network = network;
    this.#onHead = onHead;
  }

  /** Begins to write to the other end. */
  connect(other: Reader): void {
    this.#other = other;
    this.#flush();
  }

  sendWithoutEnd(stream: Stream): void {
    this.#source = stream;
  }

  read(chunk: Buffer): void {
    this.#handle(this.#engine.receive(chunk, this.#future.nowMs));
    this.#flush();
  }

  #flush(): void {
    for (this.#produce(); this.#engine.hasOutput; this.#produce()) {
      this.#write(Buffer.concat(this.#engine.takeOutput()));
      this.#handle(this.#engine.takeEvents());
    }
  }

  #write(bytes: Buffer): void {
    const { roundTripMs, bytesPerMs, readBytes } = this.#network;
    for (let at = 0; at < bytes.length; at += readBytes) {
      const chunk = Buffer.from(bytes.subarray(at, at + readBytes));
      this.#busyUntilMs = Math.max(this.#busyUntilMs, this.#future.nowMs) + chunk.length / bytesPerMs;
      this.#future.add(this.#busyUntilMs + roundTripMs / 2, () => this.#other?.read(chunk));
    }
  }

  #produce(): void {
    const stream = this.#source;
    while (stream !== undefined && !this.#isFull) this.#isFull = !this.#engine.sendData(stream, PIECE, false);
  }

  #handle(events: readonly Http2Event<Head, undefined>[]): void {
    for (const event of events) {
      if (event.kind === "failed" || event.kind === "reset") throw new Error(event.kind);
      if (event.kind === "head") this.#onHead(event.stream);
      if (event.kind === "writable") this.#isFull = false;
      if (event.kind !== "data") continue;
      this.received += event.bytes.length;
      this.#engine.consume(event.stream, event.bytes.length);
    }
  }
}

/** Sends content on one stream for so many round trips; the receiver takes it at once. */
export function transfer(direction: "download" | "upload", network: Network, roundTrips: number): Transfer {
  const future = new Future();
  const options = { limits: MESH_HTTP2_LIMITS, nowMs: 0 };
  const clientEngine = new Http2ClientConnection<undefined>(options);
  const serverEngine = new Http2ServerConnection<undefined>(options);
  const client = new End(clientEngine, { future, network });
  let received: Stream | undefined;
  const server = new End(serverEngine, { future, network }, (stream) => {
    serverEngine.respond(stream, 200, outputFields(), false);
    if (direction === "download") server.sendWithoutEnd(stream);
    else received = stream;
  });
  const head = { method: "POST", scheme: "http", authority: "a", path: "/", fields: outputFields() };
  const stream = clientEngine.request(head, direction === "download");
  if (stream === undefined) throw new Error("no stream");
  if (direction === "upload") client.sendWithoutEnd(stream);
  else received = stream;
  client.connect(server);
  server.connect(client);
  const receiver = direction === "download" ? client : server;
  future.runUntil((roundTrips / 2) * network.roundTripMs);
  const before = receiver.received;
  future.runUntil(roundTrips * network.roundTripMs);
  return {
    windowBytes: received?.windowSize ?? 0,
    bytesPerRoundTrip: (receiver.received - before) / (roundTrips / 2),
  };
}
