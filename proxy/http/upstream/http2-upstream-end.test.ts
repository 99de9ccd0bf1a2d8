import { describe, expect, it } from "vitest";
import {
  dataFrame,
  goawayFrame,
  rawFrame,
  resetFrame,
  settingsFrame,
  windowUpdateFrame,
} from "../../http2/frames/frame-fixture.ts";
import { ERROR_CODE, FLAG, FRAME, SETTING } from "../../http2/frames/frame-types.ts";
import { WORLD } from "../../mesh-identities-fixture.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import type { RequestHead } from "../../messages/message-head.ts";
import { requestHead } from "../pool/upstream-pool-fixture.ts";
import { Http2UpstreamWorld, OK } from "./http2-upstream-fixture.ts";

const POST: RequestHead = { ...requestHead("Transfer-Encoding: chunked\r\n"), method: "POST" };

async function start(...settings: readonly (readonly [number, number])[]): Promise<Http2UpstreamWorld> {
  return await new Http2UpstreamWorld({ peer: "spiffe://mesh/server" }).start(...settings);
}

function pieceOf(bytes: number): BodyPiece {
  return { bytes: Buffer.alloc(bytes, "x"), ranges: undefined };
}

/** Bytes of WINDOW_UPDATE frames since the last call. */
function creditOf(world: Http2UpstreamWorld, streamId: number): number {
  const updates = world.takeFramesOf(FRAME.windowUpdate).filter((frame) => frame.streamId === streamId);
  return updates.reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
}

describe("a connection that the server leaves by GOAWAY", () => {
  it("finishes what the server has accepted, gives back what it has not, and takes nothing new", async () => {
    const world = await start();
    const [one, other] = [world.request(), world.request()];
    await world.sends(goawayFrame(1));
    expect([one.events, other.events]).toEqual([[], ["lost refused"]]);
    const { connection } = world;
    expect([connection.capacity, connection.isReusable, connection.isEnding]).toEqual([0, false, true]);
    await world.sends(world.headers(1, OK), dataFrame(1, "fine", true));
    expect(one.events).toEqual(["200", "fine", "end"]);
    expect(world.socket.writableEnded).toBe(true);
    world.socket.push(null);
    await world.settled();
    expect([world.timesClosed, world.socket.destroyed, world.socket.wasReset]).toEqual([1, true, false]);
  });

  it("first with 2^31-1, keeps what comes before the true last stream", async () => {
    const world = await start();
    const [one, other] = [world.request(), world.request()];
    await world.sends(goawayFrame(2 ** 31 - 1));
    expect([one.events, other.events]).toEqual([[], []]);
    await world.sends(goawayFrame(1), world.headers(1, OK, true));
    expect([one.events, other.events]).toEqual([["200", "end"], ["lost refused"]]);
  });

  it.each([
    { name: "without an error, has announced its end", code: ERROR_CODE.noError, peer: WORLD, isEnding: true },
    { name: "because of an error, has not", code: ERROR_CODE.enhanceYourCalm, peer: WORLD, isEnding: false },
    { name: "behind no sidecar, has not", code: ERROR_CODE.noError, peer: "", isEnding: false },
  ])("$name", async ({ code, peer, isEnding }) => {
    const world = await new Http2UpstreamWorld({ peer }).start();
    world.request();
    await world.sends(goawayFrame(1, code));
    expect(world.connection.isEnding).toBe(isEnding);
  });

  it("refuses a request whose stream was reserved before, after the call", async () => {
    const world = await start();
    const stream = world.connection.openStream();
    await world.sends(goawayFrame(0));
    const lost: string[] = [];
    const sink = { onUpstreamLost: ({ kind }: { kind: string }) => void lost.push(kind) };
    stream.sendHead(sink as never, requestHead(), { hop: "outbound", createRequestId: () => "" } as never);
    expect(lost).toEqual([]);
    await world.settled();
    expect(lost).toEqual(["refused"]);
  });
});

describe("a connection that fails", () => {
  const HPACK_ERROR = rawFrame(FRAME.headers, FLAG.endHeaders, 1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]));
  it.each<{ name: string; frames: (world: Http2UpstreamWorld) => readonly Buffer[]; code: number }>([
    { name: "a bad header block", frames: () => [HPACK_ERROR], code: ERROR_CODE.compressionError },
    {
      name: "content on a stream that nobody opened",
      frames: () => [dataFrame(99, "x")],
      code: ERROR_CODE.protocolError,
    },
    {
      name: "content after the end of a stream",
      frames: (world) => [world.headers(1, OK, true), dataFrame(1, "x")],
      code: ERROR_CODE.streamClosed,
    },
    { name: "PUSH_PROMISE", frames: () => [rawFrame(5, 4, 1, Buffer.alloc(8))], code: ERROR_CODE.protocolError },
    {
      name: "a window over 2^31-1",
      frames: () => [windowUpdateFrame(0, 2 ** 31 - 1)],
      code: ERROR_CODE.flowControlError,
    },
  ])("says why and ends, and each of its requests is lost once: $name", async ({ frames, code }) => {
    const world = await start();
    const requests = [world.request(), world.request(), world.request()];
    await world.sends(...frames(world));
    expect(requests.slice(1).map(({ events }) => events)).toEqual([["lost disconnected"], ["lost disconnected"]]);
    expect(requests[0]?.events.filter((event) => event.startsWith("lost")).length).toBeLessThanOrEqual(1);
    const [goaway] = world.takeFramesOf(FRAME.goaway);
    expect(goaway?.payload.readUInt32BE(4)).toBe(code);
    expect([world.connection.isReusable, world.connection.isIdle, world.socket.writableEnded]).toEqual([
      false,
      false,
      true,
    ]);
  });

  it("by the server's end loses its requests once, and is forgotten", async () => {
    const world = await start();
    const requests = [world.request(), world.request()];
    world.socket.push(null);
    await world.settled();
    expect(requests.map(({ events }) => events)).toEqual([["lost disconnected"], ["lost disconnected"]]);
    expect([world.timesClosed, world.socket.destroyed]).toEqual([1, true]);
  });

  it("because the server never acknowledges SETTINGS ends after ten seconds", async () => {
    const world = new Http2UpstreamWorld();
    await world.sends(settingsFrame());
    const request = world.request();
    world.connection.checkDeadline(world.nowMs + 9999);
    expect(request.events).toEqual([]);
    world.connection.checkDeadline(world.nowMs + 10_001);
    expect(request.events).toEqual(["lost disconnected"]);
  });

  it("is reset if its server does not let it close", async () => {
    const world = await start();
    world.connection.retire();
    expect([world.socket.writableEnded, world.timesClosed]).toEqual([true, 0]);
    world.connection.checkDeadline(world.nowMs + 1999);
    expect(world.socket.destroyed).toBe(false);
    world.connection.checkDeadline(world.nowMs + 2000);
    await world.settled();
    expect([world.socket.wasReset, world.timesClosed]).toEqual([true, 1]);
  });
});

describe("a retired connection", () => {
  it("says GOAWAY, takes no more, and closes with its last request", async () => {
    const world = await start();
    const request = world.request();
    world.connection.retire();
    await world.settled();
    expect(world.takeFramesOf(FRAME.goaway)).toHaveLength(1);
    expect([world.connection.capacity, world.socket.writableEnded]).toEqual([0, false]);
    await world.sends(world.headers(1, OK, true));
    expect([request.events, world.socket.writableEnded]).toEqual([["200", "end"], true]);
  });
});

describe("the places on a connection", () => {
  it("are as many as the server allows, less those that are open or reserved", async () => {
    const world = await start([SETTING.maxConcurrentStreams, 3]);
    expect(world.connection.capacity).toBe(3);
    world.request();
    const reserved = world.connection.openStream();
    expect([world.connection.capacity, world.connection.load]).toEqual([1, 2]);
    reserved.abort({ kind: "abandoned" });
    await world.sends(world.headers(1, OK, true));
    expect([world.connection.capacity, world.connection.load]).toEqual([3, 0]);
    await world.sends(settingsFrame([SETTING.maxConcurrentStreams, 0]));
    expect([world.connection.capacity, world.connection.isReusable]).toEqual([0, true]);
  });

  it("are no more than the destination's settings allow", async () => {
    const world = await start();
    world.settings = { httpVersion: "2", maxConcurrentStreams: 2 };
    expect(world.connection.capacity).toBe(2);
    world.settings = { httpVersion: "2", maxRequestsPerConnection: 2 };
    world.request();
    expect(world.connection.capacity).toBe(1);
    world.request();
    expect([world.connection.capacity, world.connection.isReusable]).toEqual([0, false]);
  });

  it("are none once it would be dialled in another way", async () => {
    const world = await start();
    world.isCurrent = false;
    expect(world.connection.isReusable).toBe(false);
  });
});

describe("backpressure", () => {
  it("of the server stops the request's body, and lets it go on with its window", async () => {
    const world = await start([SETTING.initialWindowSize, 10]);
    const [one, other] = [world.request({ head: POST }), world.request({ head: POST })];
    expect(one.stream.sendBody(pieceOf(70_000))).toBe(false);
    other.stream.sendBody(pieceOf(5));
    await world.settled();
    const data = world.takeFramesOf(FRAME.data);
    expect(data.map(({ streamId, payload }) => [streamId, payload.length])).toEqual([
      [1, 10],
      [3, 5],
    ]);
    await world.sends(windowUpdateFrame(1, 60_000), windowUpdateFrame(0, 60_000));
    expect(one.events).toEqual(["drain"]);
  });

  it("of a stuck connection is that of all its streams, and shows", async () => {
    const world = new Http2UpstreamWorld({ isStuck: true });
    const request = world.request({ head: POST });
    expect(request.stream.sendBody(pieceOf(200_000))).toBe(false);
    expect(world.connection.isCongested).toBe(false);
    world.nowMs += 9;
    expect(world.connection.isCongested).toBe(false);
    world.nowMs += 1;
    expect(world.connection.isCongested).toBe(true);
  });

  it("of a slow client closes the window of its stream alone, and nothing is lost", async () => {
    const world = await start();
    const slow = world.request({ onContent: ({ stream }) => stream.pause() });
    const quick = world.request();
    await world.sends(world.headers(1, OK), world.headers(3, OK));
    const part = Buffer.alloc(16_384, "x");
    await world.sends(dataFrame(1, part), dataFrame(1, part), dataFrame(1, part), dataFrame(1, part));
    expect(creditOf(world, 1)).toBe(0);
    for (let count = 0; count < 100; count += 1) {
      await world.sends(dataFrame(3, part), dataFrame(3, part));
      const returned = creditOf(world, 3);
      expect(returned).toBe(32_768);
    }
    expect([slow.events.length, quick.events.length]).toEqual([5, 201]);
    slow.stream.resume();
    await world.settled();
    expect(creditOf(world, 1)).toBeGreaterThanOrEqual(65_535);
  });

  it("ends with the stream: what a slow client has not taken does not count against the others", async () => {
    const world = await start();
    for (let id = 1; id < 81; id += 2) {
      const request = world.request({ onContent: ({ stream }) => stream.pause() });
      const part = Buffer.alloc(16_384, "x");
      await world.sends(world.headers(id, OK), dataFrame(id, part), dataFrame(id, part), dataFrame(id, part));
      if (id % 4 === 1) request.stream.abort({ kind: "disconnected" });
      else await world.sends(resetFrame(id));
    }
    expect([world.connection.isReusable, world.connection.load]).toEqual([true, 0]);
  });
});
