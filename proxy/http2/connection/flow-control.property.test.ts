import fc from "fast-check";
import { expect, it } from "vitest";
import { HTTP2_LIMITS, type Http2Limits } from "../http2-limits.ts";
import { Http2ClientConnection } from "./http2-client-connection.ts";
import type { Http2Connection } from "./http2-connection.ts";
import type { Http2Event } from "./http2-events.ts";
import { Http2ServerConnection } from "./http2-server-connection.ts";
import type { Http2Stream } from "./http2-stream.ts";
import { outputFields } from "./raw-peer-fixture.ts";

/** Windows so small that every message meets both of them many times. */
const LIMITS: Http2Limits = {
  ...HTTP2_LIMITS,
  ...{ streamWindowBytes: 3000, maxStreamWindowBytes: 12_000, connectionWindowBytes: 1, maxConnectionWindowBytes: 1 },
  ...{ maxQueuedBytes: 1500, overhead: { capacity: 1e6, perSecond: 1e6 } },
};

type Stream = Http2Stream<undefined>;

/** One message's way: what one end still sends, and what the other has taken of it. */
class Flow {
  readonly #content: Buffer;
  #sent = 0;
  isFull = false;
  isEnded = false;
  readonly received: Buffer[] = [];
  /** Delivered, and not taken by the consumer. */
  unconsumed = 0;

  constructor(bytes: number, seed: number) {
    this.#content = Buffer.from(Array.from({ length: bytes }, (_, at) => (at * 7 + seed + (at >> 8)) % 251));
  }

  get isSent(): boolean {
    return this.#sent > this.#content.length;
  }

  /** The next piece; the empty one behind all is the end. */
  next(bytes: number): Buffer {
    const piece = this.#content.subarray(this.#sent, this.#sent + bytes);
    this.#sent = piece.length === 0 ? this.#content.length + 1 : this.#sent + piece.length;
    return piece;
  }

  add(bytes: Buffer, ends: boolean): void {
    this.received.push(Buffer.from(bytes));
    this.unconsumed += bytes.length;
    this.isEnded = ends;
  }

  get isWhole(): boolean {
    return this.isEnded && Buffer.concat(this.received).equals(this.#content);
  }
}

/** One end: its engine, what it has written and the other has not read, and its flows by stream. */
class End<Head> {
  readonly engine: Http2Connection<Head, undefined>;
  readonly streams = new Map<number, Stream>();
  readonly sends: readonly Flow[];
  readonly receives: readonly Flow[];
  readonly #onHead: (stream: Stream) => void;
  wire = Buffer.alloc(0);
  nowMs = 0;

  constructor(
    engine: Http2Connection<Head, undefined>,
    flows: { readonly sends: readonly Flow[]; readonly receives: readonly Flow[] },
    onHead: (stream: Stream) => void = () => undefined,
  ) {
    this.engine = engine;
    this.sends = flows.sends;
    this.receives = flows.receives;
    this.#onHead = onHead;
  }

  /** Its producer goes on with a stream, if it may. */
  send(index: number, bytes: number): boolean {
    const [flow, stream] = [this.sends[index], this.streams.get(index)];
    if (flow === undefined || stream === undefined || flow.isFull || flow.isSent) return false;
    const piece = flow.next(bytes);
    flow.isFull = !this.engine.sendData(stream, piece, piece.length === 0);
    return true;
  }

  /** Its consumer takes content of a stream, or holds it. */
  consume(index: number, bytes: number, holds = false): boolean {
    const [flow, stream] = [this.receives[index], this.streams.get(index)];
    const taken = Math.min(flow?.unconsumed ?? 0, bytes);
    if (flow === undefined || stream === undefined || taken === 0) return false;
    if (holds) {
      this.engine.hold(stream, taken);
      return false;
    }
    flow.unconsumed -= taken;
    this.engine.consume(stream, taken);
    return true;
  }

  /** Writes what it may. */
  flush(budget: number): boolean {
    const pieces = this.engine.takeOutput(budget);
    this.handle(this.engine.takeEvents());
    this.wire = Buffer.concat([this.wire, ...pieces]);
    return pieces.length > 0;
  }

  /** Reads some of what the other end has written. */
  read(other: { wire: Buffer }, bytes: number): boolean {
    const chunk = Buffer.from(other.wire.subarray(0, bytes));
    other.wire = other.wire.subarray(bytes);
    this.nowMs += 1;
    if (chunk.length > 0) this.handle(this.engine.receive(chunk, this.nowMs));
    return chunk.length > 0;
  }

  handle(events: readonly Http2Event<Head, undefined>[]): void {
    for (const event of events) {
      if (event.kind === "failed" || event.kind === "reset") throw new Error(event.kind);
      if (event.kind === "head") this.#onHead(event.stream);
      if (event.kind === "writable") this.#flowOf(event.stream, this.sends).isFull = false;
      if (event.kind === "data") this.#flowOf(event.stream, this.receives).add(event.bytes, event.endsStream);
    }
  }

  #flowOf({ id }: Stream, flows: readonly Flow[]): Flow {
    const flow = flows[(id - 1) / 2];
    if (flow === undefined) throw new Error(`no stream ${id}`);
    return flow;
  }
}

const STEP = fc.record({
  action: fc.constantFrom("send", "consume", "hold", "flush", "read", "read", "flush"),
  isClient: fc.boolean(),
  index: fc.nat(3),
  bytes: fc.oneof(fc.nat(20), fc.nat(4000)),
});

type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

function act<Head>(end: End<Head>, other: { wire: Buffer }, { action, index, bytes }: Step): boolean {
  switch (action) {
    case "send":
      return end.send(index, bytes + 1);
    case "consume":
    case "hold":
      return end.consume(index, bytes, action === "hold");
    case "flush":
      return end.flush(bytes);
    case "read":
      return end.read(other, bytes);
  }
}

/** Two ends in the middle of several exchanges. @param sizes of the requests and of the responses. */
function connect(sizes: readonly (readonly [number, number])[]) {
  const up = sizes.map(([bytes], index) => new Flow(bytes, index));
  const down = sizes.map(([, bytes], index) => new Flow(bytes, index + 100));
  const clientEngine = new Http2ClientConnection<undefined>({ limits: LIMITS, nowMs: 0 });
  const serverEngine = new Http2ServerConnection<undefined>({ limits: LIMITS, nowMs: 0 });
  const client = new End(clientEngine, { sends: up, receives: down });
  const server = new End(serverEngine, { sends: down, receives: up }, (stream) => {
    server.streams.set((stream.id - 1) / 2, stream);
    serverEngine.respond(stream, 200, outputFields(), false);
  });
  for (const index of sizes.keys()) {
    const head = { method: "POST", scheme: "http", authority: "a", path: "/", fields: outputFields() };
    const stream = clientEngine.request(head, false);
    if (stream !== undefined) client.streams.set(index, stream);
  }
  return { client, server, flows: [...up, ...down] };
}

const SIZES = fc.array(fc.tuple(fc.nat(90_000), fc.nat(90_000)), { minLength: 1, maxLength: 4 });

/** Nobody waits: what does not move now never will. @returns whether something has moved. */
function moveAll(streams: number, one: (step: Step) => boolean): boolean {
  let hasMoved = false;
  for (const action of ["send", "flush", "read", "consume"] as const) {
    for (let index = 0; index < streams; index += 1) {
      for (const isClient of [true, false]) hasMoved = one({ action, isClient, index, bytes: 2000 }) || hasMoved;
    }
  }
  return hasMoved;
}

type Example = [sizes: [number, number][], steps: Step[]];

/** More than our window allows was sent before our SETTINGS were known: then its end, without content, is allowed too. */
const SENT_BEFORE_SETTINGS: Example = [
  [
    [0, 0],
    [3001, 0],
    [0, 0],
  ],
  [{ action: "send", isClient: true, index: 1, bytes: 999 }],
];

/** All that was sent so far is consumed when the acknowledgement of our SETTINGS makes the window smaller. */
const CONSUMED_BEFORE_ACK: Example = [
  [[10_000, 0]],
  [
    { action: "send", isClient: true, index: 0, bytes: 3999 },
    { action: "flush", isClient: true, index: 0, bytes: 8000 },
    { action: "read", isClient: false, index: 0, bytes: 8000 },
    { action: "consume", isClient: false, index: 0, bytes: 8000 },
    { action: "flush", isClient: false, index: 0, bytes: 8000 },
    { action: "read", isClient: true, index: 0, bytes: 8000 },
  ],
];

it("every byte arrives in both directions, however producers, consumers and sockets take turns", () => {
  fc.assert(
    fc.property(SIZES, fc.array(STEP, { maxLength: 600 }), (sizes, steps) => {
      const { client, server, flows } = connect(sizes);
      const one = (step: Step): boolean => (step.isClient ? act(client, server, step) : act(server, client, step));
      for (const step of steps) one(step);
      while (moveAll(sizes.length, one)) {}
      expect(flows.map(({ isWhole }) => isWhole)).toEqual(flows.map(() => true));
      expect([client.engine.hasOutput, server.engine.hasOutput]).toEqual([false, false]);
    }),
    { numRuns: 80, examples: [SENT_BEFORE_SETTINGS, CONSUMED_BEFORE_ACK] },
  );
});
