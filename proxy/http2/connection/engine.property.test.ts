import fc from "fast-check";
import { expect, it } from "vitest";
import { rawFrame } from "../frames/frame-fixture.ts";
import { CLIENT_PREFACE, FLAG, FRAME } from "../frames/frame-types.ts";
import { Http2ClientConnection } from "./http2-client-connection.ts";
import type { Http2Event } from "./http2-events.ts";
import { Http2ServerConnection } from "./http2-server-connection.ts";
import { type FieldPairs, GET, outputFields, POST, RawPeer } from "./raw-peer-fixture.ts";

/** Events as plain values; the pieces of one stream's content are joined. */
function describeEvents(events: readonly Http2Event<unknown, string>[]): readonly unknown[] {
  const described: Record<string, unknown>[] = [];
  for (const event of events) {
    const id = "stream" in event ? event.stream.id : 0;
    const last = described.at(-1);
    if (event.kind === "data" && last?.["kind"] === "data" && last["id"] === id && last["endsStream"] === false) {
      last["content"] = `${String(last["content"])}${event.bytes.toString("hex")}`;
      last["endsStream"] = event.endsStream;
    } else if (event.kind === "data") {
      described.push({ kind: "data", id, content: event.bytes.toString("hex"), endsStream: event.endsStream });
    } else {
      described.push({ ...event, stream: id });
    }
  }
  return described;
}

function cut(bytes: Buffer, cuts: readonly number[]): readonly Buffer[] {
  const places = [...new Set(cuts.map((place) => place % (bytes.length + 1)))].sort((one, other) => one - other);
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length));
}

type Role = "client" | "server";

/** What an engine reports and sends for these chunks. */
function run(role: Role, chunks: readonly Buffer[]): { readonly events: readonly unknown[]; readonly output: string } {
  const connection =
    role === "server"
      ? new Http2ServerConnection<string>({ nowMs: 0 })
      : new Http2ClientConnection<string>({ nowMs: 0 });
  if (connection instanceof Http2ClientConnection) {
    for (let count = 0; count < 3; count += 1) {
      const request = { method: "POST", scheme: "http", authority: "a", path: "/", fields: outputFields() };
      connection.request(request, count === 0);
    }
  }
  const events = chunks.flatMap((chunk) => describeEvents(connection.receive(chunk, 0)));
  const pieces: Buffer[] = [];
  while (connection.hasOutput) pieces.push(...connection.takeOutput());
  return { events: joinContent(events), output: Buffer.concat(pieces).toString("hex") };
}

/** Joins content that came in several chunks. */
function joinContent(events: readonly unknown[]): readonly unknown[] {
  const joined: unknown[] = [];
  let last: { kind: unknown; id: unknown; content: unknown; endsStream: unknown } | undefined;
  for (const event of events) {
    if (!isContent(event)) {
      joined.push(event);
      last = undefined;
    } else if (last !== undefined && last.id === event.id && last.endsStream === false) {
      last.content = `${String(last.content)}${String(event.content)}`;
      last.endsStream = event.endsStream;
    } else {
      last = { ...event };
      joined.push(last);
    }
  }
  return joined;
}

function isContent(event: unknown): event is { kind: unknown; id: unknown; content: unknown; endsStream: unknown } {
  return typeof event === "object" && event !== null && "kind" in event && event.kind === "data" && "content" in event;
}

/** Frames that are mostly legal, so that a run gets far. */
const FIELDS: readonly FieldPairs[] = [
  GET,
  POST,
  [...POST, ["content-length", "3"]],
  [[":status", "200"]],
  [[":status", "103"]],
  [["x-trailer", "a"]],
  [...GET, ["Bad", "name"]],
];
const STEP = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("headers"), id: streamId(), fields: fc.nat(), flags: flags() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("data"), id: streamId(), fields: fc.nat(12), flags: flags() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("other"), id: fc.nat(4), fields: fc.nat(255), flags: fc.nat(11) }),
  },
);

function streamId(): fc.Arbitrary<number> {
  return fc.constantFrom(1, 3, 5, 7, 9);
}
function flags(): fc.Arbitrary<number> {
  return fc.constantFrom(0, 0, FLAG.endStream, FLAG.padded);
}

type Step = { readonly kind: string; readonly id: number; readonly fields: number; readonly flags: number };

function bytesOf(role: Role, steps: readonly Step[]): Buffer {
  const peer = new RawPeer(new Http2ServerConnection<string>({ nowMs: 0 }));
  const frames = steps.map(({ kind, id, fields, flags: bits }) => {
    if (kind === "data") return rawFrame(FRAME.data, bits, id, Buffer.alloc(fields, 2));
    if (kind === "headers") return peer.headers(id, FIELDS[fields % FIELDS.length] ?? GET, bits & FLAG.endStream);
    const size = [FRAME.ping, FRAME.goaway].some((type) => type === bits) ? 8 : 4;
    return rawFrame(
      bits,
      0,
      bits === FRAME.settings ? 0 : id,
      bits === FRAME.settings ? "" : Buffer.alloc(size, fields),
    );
  });
  const start = rawFrame(FRAME.settings, 0, 0);
  return Buffer.concat(role === "server" ? [CLIENT_PREFACE, start, ...frames] : [start, ...frames]);
}

it.each<{ role: Role }>([{ role: "server" }, { role: "client" }])(
  "a $role reports and sends the same for every split of the bytes",
  ({ role }) => {
    fc.assert(
      fc.property(fc.array(STEP, { maxLength: 25 }), fc.array(fc.nat(), { maxLength: 30 }), (steps, cuts) => {
        const bytes = bytesOf(role, steps);
        expect(run(role, cut(bytes, cuts))).toEqual(run(role, [bytes]));
      }),
      { numRuns: 400 },
    );
  },
);

it.each<{ role: Role }>([{ role: "server" }, { role: "client" }])(
  "a $role never throws on arbitrary bytes",
  ({ role }) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, startsWell) => {
        const start = startsWell ? bytesOf(role, []) : Buffer.alloc(0);
        expect(() => run(role, [start, Buffer.from(bytes)])).not.toThrow();
      }),
      { numRuns: 500 },
    );
  },
);

it("a server never throws on frames of arbitrary types and payloads", () => {
  const frame = fc.record({
    type: fc.nat(11),
    flags: fc.nat(255),
    id: fc.constantFrom(0, 1, 2, 3, 5),
    payload: fc.uint8Array({ maxLength: 40 }),
  });
  fc.assert(
    fc.property(fc.array(frame, { maxLength: 20 }), (frames) => {
      const bytes = frames.map(({ type, flags: bits, id, payload }) => rawFrame(type, bits, id, Buffer.from(payload)));
      expect(() => run("server", [bytesOf("server", []), ...bytes])).not.toThrow();
    }),
    { numRuns: 1000 },
  );
});
