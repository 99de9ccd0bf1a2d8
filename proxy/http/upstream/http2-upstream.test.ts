import { describe, expect, it } from "vitest";
import {
  dataFrame,
  goawayFrame,
  pingFrame,
  type ReadFrame,
  rawFrame,
  resetFrame,
  windowUpdateFrame,
} from "../../http2/frames/frame-fixture.ts";
import { ERROR_CODE, FLAG, FRAME } from "../../http2/frames/frame-types.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { requestHead } from "../pool/upstream-pool-fixture.ts";
import { type FieldPairs, Http2UpstreamWorld, OK } from "./http2-upstream-fixture.ts";

const POST: RequestHead = { ...requestHead("Transfer-Encoding: chunked\r\n"), method: "POST" };
const HEAD: RequestHead = { ...requestHead(), method: "HEAD" };

function piece(text: string | Buffer): BodyPiece {
  return { bytes: Buffer.from(text), ranges: undefined };
}

/** The reply to a PING. */
function pongFrame({ payload }: ReadFrame): Buffer {
  return rawFrame(FRAME.ping, FLAG.ack, 0, payload);
}

async function start(...settings: readonly (readonly [number, number])[]): Promise<Http2UpstreamWorld> {
  return await new Http2UpstreamWorld().start(...settings);
}

describe("a stream's window", () => {
  /** The server sends content, and replies to the PING that it causes after this time. @returns the credit it gets. */
  async function roundTrip(world: Http2UpstreamWorld, tripMs: number): Promise<number> {
    await world.sends(...Array.from({ length: 5 }, () => dataFrame(1, Buffer.alloc(13_000))));
    const frames = world.takeFrames();
    world.sinceTickMs += tripMs;
    await world.sends(...frames.filter(({ type }) => type === FRAME.ping).map(pongFrame));
    const updates = frames.filter(({ type, streamId }) => type === FRAME.windowUpdate && streamId === 1);
    return updates.reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
  }

  it.each([
    { name: "of the same length grow it", tripMs: 1, windowBytes: 262_144 },
    { name: "that queues make longer do not", tripMs: 40, windowBytes: 131_072 },
  ])("is for the shortest round trip: those $name", async ({ tripMs, windowBytes }) => {
    const world = await start();
    world.request();
    await world.sends(world.headers(1, OK));
    let credit = await roundTrip(world, 1);
    let sent = 65_000;
    for (let count = 0; count < 12; count += 1) {
      credit += await roundTrip(world, tripMs);
      sent += 65_000;
    }
    // What is missing is held back, until it is worth an update.
    expect(65_536 + credit - sent).toBeGreaterThan(windowBytes / 2);
    expect(65_536 + credit - sent).toBeLessThanOrEqual(windowBytes);
  });
});

describe("requests on one connection", () => {
  it("each get their own response, in whatever order its parts come", async () => {
    const world = await start();
    const [one, other] = [world.request(), world.request()];
    await world.sends(world.headers(3, OK), world.headers(1, [[":status", "404"]]), dataFrame(3, "b1"));
    await world.sends(dataFrame(1, "a1"), dataFrame(3, "b2", true), world.headers(1, [["x-sum", "1"]], true));
    expect(one.events).toEqual(["404", "a1", "end x-sum=1"]);
    expect(other.events).toEqual(["200", "b1", "b2", "end"]);
    expect([world.connection.isIdle, world.connection.load]).toEqual([true, 0]);
  });

  it("end as they came: with the head, with the last content, alone, or with trailers", async () => {
    const world = await start();
    world.request();
    const streams = [1, 2, 3, 4].map(() => world.request({ head: POST }).stream);
    streams[0]?.sendBody(piece("abc"));
    streams[0]?.sendEnd(undefined);
    streams[1]?.sendEnd(undefined);
    streams[2]?.sendBody(piece("abc"));
    await world.settled();
    streams[2]?.sendEnd(undefined);
    streams[3]?.sendBody(piece("abc"));
    const trailers = requestHead("X-Sum: 1\r\nContent-Length: 5\r\n").fields;
    streams[3]?.sendEnd(trailers);
    await world.settled();
    const frames = world.takeFrames().map(({ type, flags, streamId, payload }) => {
      const kind = type === FRAME.data ? `data ${payload.length}` : "headers";
      return `${streamId} ${kind}${(flags & FLAG.endStream) === 0 ? "" : " end"}`;
    });
    const of = (id: number): readonly string[] => frames.filter((frame) => frame.startsWith(`${id} `));
    expect(of(1)).toEqual(["1 headers end"]);
    expect(of(3)).toEqual(["3 headers", "3 data 3 end"]);
    expect(of(5)).toEqual(["5 headers", "5 data 0 end"]);
    expect(of(7)).toEqual(["7 headers", "7 data 3", "7 data 0 end"]);
    expect(of(9)).toEqual(["9 headers", "9 data 3", "9 headers end"]);
  });

  it("leave in one packet when several begin at once, and alone at once", async () => {
    const world = await start();
    const before = world.socket.packets.length;
    world.request();
    expect(world.socket.packets.length).toBe(before + 1);
    for (let count = 0; count < 5; count += 1) world.request();
    expect(world.socket.packets.length).toBe(before + 1);
    await world.settled();
    expect(world.socket.packets.length).toBe(before + 2);
    expect(world.takeFramesOf(FRAME.headers)).toHaveLength(6);
  });

  it("end the packet that has begun, also when they are aborted at its head or over inside it", async () => {
    const world = await start();
    const whole = world.request();
    const retried = world.request({ abortsAtHead: true });
    await world.sends(
      ...[world.headers(1, OK), dataFrame(1, "a"), dataFrame(1, "b", true)],
      ...[world.headers(3, OK), dataFrame(3, "a"), dataFrame(3, "b", true)],
    );
    expect([whole.events, whole.openPackets]).toEqual([["200", "a", "b", "end"], 0]);
    expect([retried.events, retried.openPackets]).toEqual([["200"], 0]);
  });

  it("get interim responses before the final one", async () => {
    const world = await start();
    const request = world.request();
    await world.sends(world.headers(1, [[":status", "103"]]), world.headers(1, OK, true));
    expect(request.events).toEqual(["103", "200", "end"]);
  });

  it("of HEAD have no content, whatever length is declared", async () => {
    const world = await start();
    const request = world.request({ head: HEAD });
    await world.sends(world.headers(1, [...OK, ["content-length", "5"]]), dataFrame(1, "", true));
    expect(request.events).toEqual(["200", "end"]);
    expect(request.heads).toMatchObject([{ content: { kind: "none" } }]);
  });
});

describe("a stream that fails", () => {
  const bad = (...fields: FieldPairs) => [[":status", "200"], ...fields] as const satisfies FieldPairs;
  it.each<{ name: string; frames: (world: Http2UpstreamWorld) => readonly Buffer[]; lost: string }>([
    { name: "refused", frames: () => [resetFrame(1, ERROR_CODE.refusedStream)], lost: "refused" },
    { name: "cancelled", frames: () => [resetFrame(1, ERROR_CODE.cancel)], lost: "reset cancelled" },
    { name: "failed", frames: () => [resetFrame(1, ERROR_CODE.internalError)], lost: "reset failed" },
    { name: "with a code of its own", frames: () => [resetFrame(1, 0xabcdef)], lost: "reset failed" },
    { name: "without a status", frames: (w) => [w.headers(1, [["a", "b"]])], lost: "malformed" },
    { name: "with 101", frames: (w) => [w.headers(1, [[":status", "101"]])], lost: "malformed" },
    { name: "with a name in upper case", frames: (w) => [w.headers(1, bad(["X-A", "b"]))], lost: "malformed" },
    { name: "with a line break", frames: (w) => [w.headers(1, bad(["a", "b\r\nc: d"]))], lost: "malformed" },
    { name: "with Connection", frames: (w) => [w.headers(1, bad(["connection", "close"]))], lost: "malformed" },
    { name: "with chunks", frames: (w) => [w.headers(1, bad(["transfer-encoding", "chunked"]))], lost: "malformed" },
    {
      name: "with a name read as another",
      frames: (w) => [w.headers(1, bad(["content_length", "1"]))],
      lost: "malformed",
    },
    { name: "whose content comes first", frames: () => [dataFrame(1, "early")], lost: "malformed" },
    {
      name: "with an interim response that ends it",
      frames: (w) => [w.headers(1, [[":status", "103"]], true)],
      lost: "malformed",
    },
    { name: "whose window is overrun by zero", frames: () => [windowUpdateFrame(1, 0)], lost: "malformed" },
  ])("is lost alone: $name", async ({ frames, lost }) => {
    const world = await start();
    const [one, other] = [world.request({ head: POST }), world.request()];
    await world.sends(...frames(world), world.headers(3, OK), dataFrame(3, "fine", true));
    expect(one.events).toEqual([`lost ${lost}`]);
    expect(other.events).toEqual(["200", "fine", "end"]);
    expect([world.connection.load, world.connection.isReusable, world.timesClosed]).toEqual([0, true, 0]);
  });

  it.each([
    { name: "more content than it declares", last: dataFrame(1, "abcdef") },
    { name: "less", last: dataFrame(1, "a", true) },
  ])("after its head is lost alone: $name", async ({ last }) => {
    const world = await start();
    const [one, other] = [world.request(), world.request()];
    await world.sends(world.headers(1, [...OK, ["content-length", "5"]]), last, world.headers(3, OK, true));
    expect(one.events).toEqual(["200", "lost malformed"]);
    expect(other.events).toEqual(["200", "end"]);
  });

  it("is lost alone by a flood of interim responses", async () => {
    const world = await start();
    const [one, other] = [world.request(), world.request()];
    const flood = Array.from({ length: 20 }, () => world.headers(1, [[":status", "103"]]));
    await world.sends(...flood, world.headers(3, OK, true));
    expect(one.events.at(-1)).toBe("lost malformed");
    expect(other.events).toEqual(["200", "end"]);
  });

  it("is reset with CANCEL when its client has gone, and receives nothing more", async () => {
    const world = await start();
    const [one, other] = [world.request(), world.request()];
    one.stream.abort({ kind: "disconnected" });
    await world.sends(world.headers(1, OK), dataFrame(1, "late", true), world.headers(3, OK, true));
    expect([one.events, other.events]).toEqual([[], ["200", "end"]]);
    const [reset] = world.takeFramesOf(FRAME.rstStream);
    expect([reset?.streamId, reset?.payload.readUInt32BE(0)]).toEqual([1, ERROR_CODE.cancel]);
  });

  it("whose response is complete before its request is reset, so that the server reads no more of it", async () => {
    const world = await start();
    const request = world.request({ head: POST, releases: false });
    await world.sends(world.headers(1, [[":status", "413"]], true));
    expect(request.events).toEqual(["413", "end"]);
    request.stream.abort({ kind: "abandoned" });
    expect(world.takeFramesOf(FRAME.rstStream)).toMatchObject([{ streamId: 1 }]);
  });

  it("of a server that is overloaded by its connection is the last one there; the others finish", async () => {
    const world = await start();
    const [one, other] = [world.request(), world.request()];
    await world.sends(resetFrame(1, ERROR_CODE.enhanceYourCalm), world.headers(3, OK));
    expect([one.events, other.events]).toEqual([["lost reset overloaded"], ["200"]]);
    expect([world.connection.capacity, world.connection.isReusable, world.timesClosed]).toEqual([0, false, 0]);
    await world.sends(dataFrame(3, "fine", true));
    expect(other.events).toEqual(["200", "fine", "end"]);
    expect(world.socket.writableEnded).toBe(true);
  });

  it("gets no second stream on a server that has just refused one, until its next SETTINGS", async () => {
    const world = await start();
    const [one] = [world.request(), world.request()];
    await world.sends(resetFrame(1, ERROR_CODE.refusedStream));
    expect(one.events).toEqual(["lost refused"]);
    expect(world.connection.capacity).toBe(0);
    await world.start();
    expect(world.connection.capacity).toBeGreaterThan(0);
  });

  it("gets one stream more with each response of a server that has refused one and sends no SETTINGS", async () => {
    const world = await start();
    const [, other] = [world.request(), world.request()];
    await world.sends(resetFrame(1, ERROR_CODE.refusedStream));
    expect(world.connection.capacity).toBe(0);
    await world.sends(world.headers(3, OK, true));
    expect(other.events).toEqual(["200", "end"]);
    expect(world.connection.capacity).toBe(2);
  });
});

describe("a rewritten head that cannot be sent", () => {
  it.each([
    { name: "a path with a line break", edits: { path: "/a\r\nx: y" } },
    { name: "a path with a space", edits: { path: "/a b" } },
    { name: "a path without a slash", edits: { path: "a" } },
    { name: "an authority with credentials", edits: { authority: "user@shop" } },
    { name: "an empty authority", edits: { authority: "" } },
  ])("is refused before anything is written: $name", async ({ edits }) => {
    const world = await start();
    const before = world.connection.capacity;
    const stream = world.connection.openStream();
    const sink = { onUpstreamLost: () => undefined };
    const send = () => stream.sendHead(sink as never, requestHead(), { hop: "outbound", ...edits } as never);
    expect(send).toThrow(/^unsound_head/);
    stream.abort({ kind: "abandoned" });
    expect([world.connection.capacity, world.takeFrames()]).toEqual([before, []]);
    world.request();
    expect(world.takeFramesOf(FRAME.headers)).toHaveLength(1);
  });
});

describe("frames that concern no request", () => {
  it("are answered or ignored", async () => {
    const world = await start();
    await world.sends(pingFrame("12345678"), rawFrame(0xee, 0, 0, "unknown"), goawayFrame(2 ** 31 - 1));
    expect(world.takeFramesOf(FRAME.ping)).toMatchObject([{ flags: FLAG.ack }]);
  });
});
