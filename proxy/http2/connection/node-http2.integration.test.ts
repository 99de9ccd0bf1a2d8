import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect,
  constants,
  createServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type ServerHttp2Stream,
} from "node:http2";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Http2Fields } from "../message-head.ts";
import { connectWithEngine, listenWithEngine } from "./engine-shell-fixture.ts";
import { Http2ClientConnection } from "./http2-client-connection.ts";
import type { Http2Event } from "./http2-events.ts";
import { Http2ServerConnection } from "./http2-server-connection.ts";
import type { Http2Stream } from "./http2-stream.ts";
import { type FieldPairs, outputFields } from "./raw-peer-fixture.ts";

/** One message, as it is sent and as it should arrive. */
interface Message {
  readonly fields: FieldPairs;
  /** The sizes of the pieces of its content. */
  readonly pieces: readonly number[];
  readonly trailers: FieldPairs;
}

interface Exchange {
  readonly request: Message;
  readonly response: Message & { readonly status: number };
}

const VALUE = fc.string({ unit: fc.constantFrom(..."abcXYZ019-_=;,/ é"), maxLength: 30 }).map((value) => value.trim());
const PAIRS = fc
  .uniqueArray(fc.tuple(fc.stringMatching(/^x-[a-z0-9-]{1,12}$/), VALUE), { maxLength: 8, selector: ([name]) => name })
  .map((pairs): FieldPairs => pairs);
const MESSAGE = fc.record({
  fields: PAIRS,
  pieces: fc.array(fc.oneof(fc.nat(20), fc.nat(20_000), fc.constant(100_000)), { maxLength: 6 }),
  trailers: fc.oneof(fc.constant([]), PAIRS),
});
const EXCHANGES = fc.array(
  fc.record({
    request: MESSAGE,
    response: fc.tuple(MESSAGE, fc.constantFrom(200, 404, 503)).map(([m, status]) => ({ ...m, status })),
  }),
  { minLength: 1, maxLength: 6 },
);

/** Content whose bytes depend on their position. */
function contentOf({ pieces }: Message): readonly Buffer[] {
  return pieces.map((size, index) => Buffer.alloc(size, `${index}:${size};`));
}

type Engine = Http2ServerConnection<string> | Http2ClientConnection<string>;
type MessageEvent = Extract<Http2Event<Http2Fields, string>, { kind: "head" | "data" | "trailers" }>;

/** The event, if it brings a part of a message. */
function asMessageEvent(event: Http2Event<Http2Fields, string>): MessageEvent | undefined {
  return event.kind === "head" || event.kind === "data" || event.kind === "trailers" ? event : undefined;
}

/** What has arrived of one message. */
class Arrival {
  fields: FieldPairs = [];
  trailers: FieldPairs = [];
  readonly content: Buffer[] = [];

  /** Takes an event of an engine; returns whether the message is complete. */
  take(event: MessageEvent, connection: Engine): boolean {
    switch (event.kind) {
      case "head":
        this.fields = pairsOf(event.head);
        return event.endsStream;
      case "data":
        this.content.push(event.bytes);
        connection.consume(event.stream, event.bytes.length);
        return event.endsStream;
      case "trailers":
        this.trailers = pairsOf(event.fields);
        return true;
    }
  }

  toMessage(): unknown {
    return { fields: this.fields, content: Buffer.concat(this.content).toString("latin1"), trailers: this.trailers };
  }
}

function expected(message: Message): unknown {
  const content = Buffer.concat(contentOf(message)).toString("latin1");
  return { fields: message.fields, content, trailers: message.trailers };
}

function pairsOf({ names, values }: Http2Fields): FieldPairs {
  return names
    .map((name, index): [string, string] => [name, values[index] ?? ""])
    .filter(([name]) => name.startsWith("x-"));
}

/** node:http2 gives values as text of latin1 bytes. */
function pairsOfNode(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): FieldPairs {
  return Object.entries(headers).flatMap(([name, value]): [string, string][] =>
    name.startsWith("x-") ? [[name, String(value)]] : [],
  );
}

/** Sends a message with an engine, piece by piece, as `sendData` allows. */
class EngineSender {
  readonly #rest: Buffer[];
  readonly #message: Message;
  readonly #connection: Engine;

  constructor(connection: Engine, message: Message) {
    this.#connection = connection;
    this.#message = message;
    this.#rest = [...contentOf(message)];
  }

  pump(stream: Http2Stream<string>): void {
    const { trailers } = this.#message;
    for (let piece = this.#rest.shift(); piece !== undefined; piece = this.#rest.shift()) {
      const isLast = this.#rest.length === 0 && trailers.length === 0;
      if (!this.#connection.sendData(stream, piece, isLast)) return;
      if (isLast) return;
    }
    if (trailers.length > 0) this.#connection.sendTrailers(stream, outputFields(trailers));
    else this.#connection.sendData(stream, Buffer.alloc(0), true);
  }
}

describe("an engine as server, and node:http2 as client", () => {
  let exchanges: readonly Exchange[] = [];
  let arrivals: Arrival[] = [];
  const senders = new Map<Http2Stream<string>, EngineSender>();
  let listener: Awaited<ReturnType<typeof listenWithEngine>>;
  let session: ClientHttp2Session;

  beforeAll(async () => {
    listener = await listenWithEngine(
      () => new Http2ServerConnection({ nowMs: performance.now() }),
      (event, connection) => {
        if (event.kind === "writable") senders.get(event.stream)?.pump(event.stream);
        if (event.kind === "head") event.stream.context = event.head.path.slice(1);
        const part = asMessageEvent(event);
        if (part === undefined) return;
        const { stream } = part;
        const exchange = exchanges[Number(stream.context)];
        if (arrivals[Number(stream.context)]?.take(part, connection) !== true || exchange === undefined) return;
        const { response } = exchange;
        connection.respond(stream, response.status, outputFields(response.fields), false);
        const sender = new EngineSender(connection, response);
        senders.set(stream, sender);
        sender.pump(stream);
      },
    );
    session = connect(`http://127.0.0.1:${listener.port}`);
    await once(session, "connect");
  });

  afterAll(() => {
    session.destroy();
    listener.close();
  });

  async function ask({ request }: Exchange, number: number): Promise<{ status: unknown; message: unknown }> {
    const stream = session.request(
      { ":method": "POST", ":path": `/${number}`, ...Object.fromEntries(request.fields) },
      { waitForTrailers: request.trailers.length > 0, endStream: false },
    );
    stream.on("wantTrailers", () => stream.sendTrailers(Object.fromEntries(request.trailers)));
    const arrival = new Arrival();
    let status: unknown;
    stream.on("response", (headers) => {
      status = headers[":status"];
      arrival.fields = pairsOfNode(headers);
    });
    stream.on("trailers", (headers) => {
      arrival.trailers = pairsOfNode(headers);
    });
    stream.on("data", (chunk: Buffer) => arrival.content.push(chunk));
    for (const piece of contentOf(request)) stream.write(piece);
    stream.end();
    await once(stream, "close");
    return { status, message: arrival.toMessage() };
  }

  it("exchange arbitrary messages at once, whatever their fields, content and trailers", async () => {
    await fc.assert(
      fc.asyncProperty(EXCHANGES, async (list) => {
        exchanges = list;
        arrivals = list.map(() => new Arrival());
        const responses = await Promise.all(list.map(ask));
        expect(arrivals.map((arrival) => arrival.toMessage())).toEqual(list.map(({ request }) => expected(request)));
        expect(responses).toEqual(
          list.map(({ response }) => ({ status: response.status, message: expected(response) })),
        );
      }),
      { numRuns: 15 },
    );
  });
});

describe("an engine as client, and node:http2 as server", () => {
  let exchanges: readonly Exchange[] = [];
  let arrivals: Arrival[] = [];
  let server: Http2Server;
  let port = 0;

  beforeAll(async () => {
    server = createServer();
    server.on("stream", (stream, headers) => {
      const number = Number(String(headers[":path"]).slice(1));
      const arrival = arrivals[number];
      const exchange = exchanges[number];
      if (arrival !== undefined && exchange !== undefined) serve(stream, headers, { arrival, exchange });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    port = typeof address === "object" && address !== null ? address.port : 0;
  });

  afterAll(() => {
    server.close();
  });

  function serve(
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    { arrival, exchange: { response } }: { arrival: Arrival; exchange: Exchange },
  ): void {
    arrival.fields = pairsOfNode(headers);
    stream.on("trailers", (trailers) => {
      arrival.trailers = pairsOfNode(trailers);
    });
    stream.on("data", (chunk: Buffer) => arrival.content.push(chunk));
    stream.on("end", () => {
      const options = { waitForTrailers: response.trailers.length > 0 };
      stream.respond({ ":status": response.status, ...Object.fromEntries(response.fields) }, options);
      stream.on("wantTrailers", () => stream.sendTrailers(Object.fromEntries(response.trailers)));
      for (const piece of contentOf(response)) stream.write(piece);
      stream.end();
    });
  }

  function exchangeAll(list: readonly Exchange[]): Promise<readonly unknown[]> {
    const statuses: number[] = [];
    const received = list.map(() => new Arrival());
    const senders = list.map(({ request }): EngineSender => new EngineSender(connection, request));
    let open = list.length;
    /** Returns whether all responses are complete. */
    const takePart = (part: MessageEvent): boolean => {
      if (part.kind === "head" && "status" in part.head)
        statuses[Number(part.stream.context)] = Number(part.head.status);
      if (received[Number(part.stream.context)]?.take(part, connection) !== true) return false;
      connection.release(part.stream);
      open -= 1;
      return open === 0;
    };
    return new Promise((resolve, reject) => {
      const shell = connectWithEngine(port, connection, (event) => {
        if (event.kind === "writable") senders[Number(event.stream.context)]?.pump(event.stream);
        if (event.kind === "reset" || event.kind === "failed") reject(new Error(JSON.stringify(event)));
        const part = asMessageEvent(event);
        if (part === undefined || !takePart(part)) return;
        shell.close();
        resolve(received.map((arrival, number) => ({ status: statuses[number], message: arrival.toMessage() })));
      });
      list.forEach(({ request }, number) => {
        const head = {
          method: "POST",
          scheme: "http",
          authority: "a",
          path: `/${number}`,
          fields: outputFields(request.fields),
        };
        const stream = connection.request(head, false, String(number));
        if (stream === undefined) throw new Error("no capacity");
        senders[number]?.pump(stream);
      });
      shell.flush();
    });
  }
  let connection = new Http2ClientConnection<string>({ nowMs: 0 });

  it("exchange arbitrary messages at once, whatever their fields, content and trailers", async () => {
    await fc.assert(
      fc.asyncProperty(EXCHANGES, async (list) => {
        exchanges = list;
        arrivals = list.map(() => new Arrival());
        connection = new Http2ClientConnection({ nowMs: performance.now() });
        const responses = await exchangeAll(list);
        expect(arrivals.map((arrival) => arrival.toMessage())).toEqual(list.map(({ request }) => expected(request)));
        expect(responses).toEqual(
          list.map(({ response }) => ({ status: response.status, message: expected(response) })),
        );
        expect(connection.activeStreams).toBe(0);
      }),
      { numRuns: 15 },
    );
  });
});

it("a reset by node:http2 arrives with its code", async () => {
  const codes: number[] = [];
  const listener = await listenWithEngine(
    () => new Http2ServerConnection({ nowMs: performance.now() }),
    (event, connection) => {
      if (event.kind === "head") connection.respond(event.stream, 200, outputFields(), false);
      if (event.kind === "reset") codes.push(event.code);
    },
  );
  const session = connect(`http://127.0.0.1:${listener.port}`);
  const stream = session.request({ ":path": "/" });
  stream.on("error", () => {});
  await once(stream, "response");
  stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  if (!stream.closed) await new Promise((resolve) => stream.once("close", resolve));
  const next = session.request({ ":path": "/" });
  await once(next, "response");
  expect(codes).toEqual([constants.NGHTTP2_ENHANCE_YOUR_CALM]);
  session.destroy();
  listener.close();
});

it("a reset by the engine arrives at node:http2 with its code, and other streams go on", async () => {
  const listener = await listenWithEngine(
    () => new Http2ServerConnection({ nowMs: performance.now() }),
    (event, connection) => {
      if (event.kind !== "head") return;
      if (event.head.path === "/bad") connection.reset(event.stream, constants.NGHTTP2_REFUSED_STREAM);
      else connection.respond(event.stream, 200, outputFields(), true);
    },
  );
  const session = connect(`http://127.0.0.1:${listener.port}`);
  const bad = session.request({ ":path": "/bad" });
  const errors: unknown[] = [];
  bad.on("error", (error) => errors.push(error));
  const good = session.request({ ":path": "/good" });
  const [headers] = await once(good, "response");
  expect(headers[":status"]).toBe(200);
  if (!bad.destroyed) await new Promise((resolve) => bad.once("close", resolve));
  expect([bad.rstCode, errors.length]).toEqual([constants.NGHTTP2_REFUSED_STREAM, 1]);
  session.destroy();
  listener.close();
});
