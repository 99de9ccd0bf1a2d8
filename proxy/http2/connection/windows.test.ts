import { describe, expect, it } from "vitest";
import {
  dataFrame,
  rawFrame,
  resetFrame,
  SETTINGS_ACK,
  settingsFrame,
  windowUpdateFrame,
} from "../frames/frame-fixture.ts";
import { CLIENT_PREFACE, ERROR_CODE, FLAG, FRAME } from "../frames/frame-types.ts";
import { HTTP2_LIMITS } from "../http2-limits.ts";
import { Http2ServerConnection } from "./http2-server-connection.ts";
import type { Http2Stream } from "./http2-stream.ts";
import { createRawClient, GET, outputFields, POST, type RawClient, RawPeer } from "./raw-peer-fixture.ts";

/** Opens a stream whose response has begun. */
function respondTo(client: RawClient, id: number): Http2Stream<string> {
  client.send(client.headers(id, GET, FLAG.endStream));
  const head = client.eventsOf("head").at(-1);
  if (head === undefined) throw new Error("no request");
  client.connection.respond(head.stream, 200, outputFields(), false);
  client.takeFrames();
  return head.stream;
}

/** The sum of the increments of a stream (0: the connection) in the output. */
function creditOf(client: RawClient, streamId: number): number {
  const updates = client.takeFramesOf(FRAME.windowUpdate).filter((frame) => frame.streamId === streamId);
  return updates.reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0);
}

describe("sending", () => {
  it("ends a DATA frame at 16,375 bytes, so that it fills one TLS record", () => {
    const client = createRawClient();
    const stream = respondTo(client, 1);
    client.connection.sendData(stream, Buffer.alloc(40_000), true);
    const frames = client.takeFramesOf(FRAME.data);
    expect(frames.map(({ payload, flags }) => [payload.length, flags])).toEqual([
      [16_375, 0],
      [16_375, 0],
      [7250, FLAG.endStream],
    ]);
  });

  it("writes one frame of a stream in turn", () => {
    const client = createRawClient();
    const streams = [1, 3, 5].map((id) => respondTo(client, id));
    for (const stream of streams) client.connection.sendData(stream, Buffer.alloc(20_000), true);
    expect(client.takeFramesOf(FRAME.data).map(({ streamId }) => streamId)).toEqual([1, 3, 5, 1, 3, 5]);
  });

  it("joins small pieces of a stream in one frame, in their order", () => {
    const client = createRawClient();
    const stream = respondTo(client, 1);
    for (const text of ["a", "b", "c"]) client.connection.sendData(stream, Buffer.from(text), false);
    client.connection.sendTrailers(stream, outputFields([["x", "y"]]));
    const frames = client.takeFrames();
    expect(frames.map(({ type, flags }) => [type, flags])).toEqual([
      [FRAME.data, 0],
      [FRAME.headers, FLAG.endHeaders | FLAG.endStream],
    ]);
    expect(frames[0]?.payload.toString()).toBe("abc");
  });

  it("writes short messages one after the other, each in one piece", () => {
    const client = createRawClient();
    for (const id of [1, 3]) client.send(client.headers(id, GET, FLAG.endStream));
    for (const { stream } of client.eventsOf("head")) {
      client.connection.respond(stream, 200, outputFields(), false);
      client.connection.sendData(stream, Buffer.from("short"), false);
      client.connection.sendTrailers(stream, outputFields([["x", "y"]]));
    }
    expect(client.takeFrames().map(({ type, streamId }) => [type, streamId])).toEqual([
      [FRAME.headers, 1],
      [FRAME.data, 1],
      [FRAME.headers, 1],
      [FRAME.headers, 3],
      [FRAME.data, 3],
      [FRAME.headers, 3],
    ]);
  });

  it.each([
    { name: "behind its head", sizes: [5, 5], order: "H1 D1 H3 D3" },
    { name: "in turn if it is long", sizes: [5000, 5000], order: "H1 H3 D1 D3" },
    { name: "in turn if content of another stream waits", sizes: [5000, 5], order: "H1 H3 D1 D3" },
    {
      name: "in turn if much output waits",
      sizes: [4096, 4096, 4096, 4096, 5, 5],
      order: "H1 D1 H3 D3 H5 D5 H7 D7 H9 H11 D9 D11",
    },
  ])("the content of a message leaves $name", ({ sizes, order }) => {
    const client = createRawClient();
    for (const index of sizes.keys()) client.send(client.headers(2 * index + 1, GET, FLAG.endStream));
    for (const [index, { stream }] of client.eventsOf("head").entries()) {
      client.connection.respond(stream, 200, outputFields(), false);
      client.connection.sendData(stream, Buffer.alloc(sizes[index] ?? 0), true);
    }
    const frames = client.takeFrames().map(({ type, streamId }) => `${type === FRAME.headers ? "H" : "D"}${streamId}`);
    expect(frames.join(" ")).toBe(order);
  });

  it("short content waits for both windows", () => {
    const client = createRawClient({ settings: [[4, 3]] });
    const stream = respondTo(client, 1);
    client.connection.sendData(stream, Buffer.from("short"), true);
    expect(client.takeFramesOf(FRAME.data).map(({ payload }) => payload.toString())).toEqual(["sho"]);
    client.send(windowUpdateFrame(1, 3));
    expect(client.takeFramesOf(FRAME.data)).toMatchObject([{ flags: FLAG.endStream }]);
  });

  it("takes about as much as is asked for", () => {
    const client = createRawClient();
    const stream = respondTo(client, 1);
    client.connection.sendData(stream, Buffer.alloc(60_000), true);
    const [first, second] = [client.connection.takeOutput(20_000), client.connection.takeOutput(20_000)];
    const sizes = [first, second].map((pieces) => pieces.reduce((sum, { length }) => sum + length, 0));
    expect(sizes).toEqual([2 * 16_384, 60_000 + 4 * 9 - 2 * 16_384]);
  });

  it("does not copy large content", () => {
    const client = createRawClient();
    const stream = respondTo(client, 1);
    const content = Buffer.alloc(16_375, "x");
    client.connection.sendData(stream, content, true);
    expect(client.connection.takeOutput().some((piece) => piece.buffer === content.buffer)).toBe(true);
  });

  it("stops at the stream's window and goes on with its update, to the byte", () => {
    const client = createRawClient({ settings: [[4, 10]] });
    const stream = respondTo(client, 1);
    client.connection.sendData(stream, Buffer.from("0123456789abcdefghij"), true);
    expect(client.takeFramesOf(FRAME.data).map(({ payload }) => payload.toString())).toEqual(["0123456789"]);
    expect(client.connection.hasOutput).toBe(false);
    client.send(windowUpdateFrame(1, 10));
    const [last] = client.takeFramesOf(FRAME.data);
    expect([last?.payload.toString(), last?.flags]).toEqual(["abcdefghij", FLAG.endStream]);
  });

  it("stops at the connection's window, and a stream without content still ends", () => {
    const client = createRawClient({ settings: [[4, 1_000_000]] });
    const [large, small] = [respondTo(client, 1), respondTo(client, 3)];
    client.connection.sendData(large, Buffer.alloc(70_000), true);
    client.connection.sendData(small, Buffer.alloc(0), true);
    const frames = client.takeFramesOf(FRAME.data);
    const sent = frames.filter(({ streamId }) => streamId === 1).reduce((sum, { payload }) => sum + payload.length, 0);
    expect(sent).toBe(65_535);
    expect(frames.filter(({ streamId }) => streamId === 3)).toMatchObject([{ flags: FLAG.endStream }]);
    client.send(windowUpdateFrame(0, 4465));
    expect(client.takeFramesOf(FRAME.data).map(({ payload }) => payload.length)).toEqual([4465]);
  });

  it("lets a window become negative by SETTINGS, and waits until it is positive (RFC 9113 §6.9.2)", () => {
    const client = createRawClient({ settings: [[4, 100]] });
    const stream = respondTo(client, 1);
    client.connection.sendData(stream, Buffer.alloc(200), true);
    client.takeFrames();
    client.send(settingsFrame([4, 50]), windowUpdateFrame(1, 50));
    expect(client.takeFramesOf(FRAME.data)).toEqual([]);
    client.send(windowUpdateFrame(1, 1));
    expect(client.takeFramesOf(FRAME.data).map(({ payload }) => payload.length)).toEqual([1]);
  });
});

describe("receiving", () => {
  it("returns credit for what the consumer took, and for nothing else", () => {
    const client = createRawClient();
    client.send(client.headers(1, POST), dataFrame(1, Buffer.alloc(16_000)), dataFrame(1, Buffer.alloc(16_000)));
    client.send(dataFrame(1, Buffer.alloc(16_000)));
    expect(creditOf(client, 1)).toBe(0);
    const [head] = client.eventsOf("head");
    if (head === undefined) throw new Error("no request");
    client.connection.consume(head.stream, 33_000);
    expect(creditOf(client, 1)).toBe(33_000);
  });

  it("goes on for other streams while many consumers hold their content, and their own streams wait", () => {
    const client = createRawClient();
    const ids = Array.from({ length: 64 }, (_, index) => 2 * index + 1);
    for (const id of ids) {
      client.send(client.headers(id, POST));
      for (let count = 0; count < 4; count += 1) client.send(dataFrame(id, Buffer.alloc(16_384)));
      const stream = client.eventsOf("head").at(-1)?.stream;
      if (stream === undefined) throw new Error("no request");
      client.connection.hold(stream, 65_536);
      client.connection.hold(stream, 65_536);
      client.takeFrames();
    }
    expect(client.eventsOf("failed")).toEqual([]);
    client.send(client.headers(201, POST), dataFrame(201, "fine", true));
    expect(client.events.at(-1)).toMatchObject({ kind: "data", stream: { id: 201 } });
    client.send(dataFrame(1, "more"));
    expect(client.eventsOf("reset")).toMatchObject([{ stream: { id: 1 }, code: ERROR_CODE.flowControlError }]);
  });

  it("returns the credit of held content once, whether it is then taken or dropped", () => {
    const client = createRawClient();
    client.send(client.headers(1, POST), dataFrame(1, Buffer.alloc(16_384)), dataFrame(1, Buffer.alloc(16_384)));
    client.send(client.headers(3, POST), dataFrame(3, Buffer.alloc(16_384)));
    const [one, other] = client.eventsOf("head").map(({ stream }) => stream);
    if (one === undefined || other === undefined) throw new Error("no requests");
    client.connection.hold(one, 32_768);
    client.connection.consume(one, 32_768);
    client.connection.hold(other, 16_384);
    client.connection.release(other);
    let returned = creditOf(client, 0);
    // Fill the window, so that what is left becomes due.
    for (let id = 5; returned < 49_152 && id < 45; id += 2) {
      client.send(client.headers(id, POST));
      for (let count = 0; count < 4; count += 1) client.send(dataFrame(id, Buffer.alloc(16_384)));
      returned += creditOf(client, 0);
    }
    expect(returned).toBe(49_152);
  });

  it("resets a stream that sends more than its window, and only that", () => {
    const client = createRawClient();
    client.send(client.headers(1, POST), client.headers(3, POST));
    for (let count = 0; count < 4; count += 1) client.send(dataFrame(1, Buffer.alloc(16_384)));
    expect(client.eventsOf("reset")).toEqual([]);
    client.send(dataFrame(1, "x"), dataFrame(3, "fine", true));
    expect(client.eventsOf("reset")).toMatchObject([{ stream: { id: 1 }, code: ERROR_CODE.flowControlError }]);
    expect(client.events.at(-1)).toMatchObject({ kind: "data", stream: { id: 3 } });
  });

  it("ends a connection that sends more than its window", () => {
    const client = createRawClient();
    const ids = Array.from({ length: 20 }, (_, index) => 2 * index + 1);
    client.send(...ids.map((id) => client.headers(id, POST)));
    for (const id of ids) {
      for (let count = 0; count < 4; count += 1) client.send(dataFrame(id, Buffer.alloc(16_384)));
    }
    expect(client.events.at(-1)).toMatchObject({ kind: "failed", code: ERROR_CODE.flowControlError });
    const delivered = client.eventsOf("data").reduce((sum, { bytes }) => sum + bytes.length, 0);
    expect(delivered).toBeLessThanOrEqual(1_048_576);
  });

  it("enforces the protocol's initial window until our SETTINGS are acknowledged, ours then", () => {
    const limits = { ...HTTP2_LIMITS, streamWindowBytes: 1000 };
    const client: RawClient = new RawPeer(new Http2ServerConnection<string>({ nowMs: 0, limits }));
    client.send(CLIENT_PREFACE, settingsFrame(), client.headers(1, POST), dataFrame(1, Buffer.alloc(2000)));
    expect(client.eventsOf("reset")).toEqual([]);
    client.send(SETTINGS_ACK, client.headers(3, POST), dataFrame(3, Buffer.alloc(1001)));
    expect(client.eventsOf("reset")).toMatchObject([{ stream: { id: 3 } }]);
  });

  const PADDING = Buffer.concat([Buffer.from([255]), Buffer.alloc(255)]);
  const CONTENT = Buffer.alloc(10_000);
  it.each<{ name: string; frames: (client: RawClient, id: number) => readonly Buffer[] }>([
    { name: "on a stream that we reset", frames: () => [dataFrame(1, CONTENT)] },
    {
      name: "over content-length",
      frames: (c, id) => [c.headers(id, [...POST, ["content-length", "1"]]), dataFrame(id, CONTENT)],
    },
    {
      name: "on a stream that the client then resets",
      frames: (c, id) => [c.headers(id, POST), dataFrame(id, CONTENT), resetFrame(id)],
    },
    {
      name: "of padding alone",
      frames: (c, id) => [c.headers(id, POST), rawFrame(FRAME.data, FLAG.padded, id, PADDING)],
    },
  ])("gives the connection's credit back for DATA that is dropped: $name", ({ frames }) => {
    const bucket = { capacity: 1e6, perSecond: 1 };
    const client = createRawClient({ limits: { ...HTTP2_LIMITS, resets: bucket, overhead: bucket } });
    client.send(client.headers(1, POST));
    for (const { stream } of client.eventsOf("head")) client.connection.reset(stream, ERROR_CODE.cancel);
    let sent = 0;
    let credited = 0;
    for (let id = 3; id < 6000; id += 2) {
      const bytes = frames(client, id);
      client.send(...bytes);
      for (const frame of bytes) if (frame[3] === FRAME.data) sent += frame.length - 9;
      for (const { stream } of client.eventsOf("head")) client.connection.release(stream);
      client.events.length = 0;
      credited += creditOf(client, 0);
    }
    expect(client.connection.isOver).toBe(false);
    expect(sent).toBeGreaterThan(700_000);
    expect(sent - credited).toBeLessThanOrEqual(1_048_576 / 2 + 10_000);
  });

  it("does not grow a window whose consumer is slow", () => {
    const client = createRawClient();
    client.send(client.headers(1, POST), client.headers(3, POST));
    for (const id of [1, 3])
      for (let count = 0; count < 4; count += 1) client.send(dataFrame(id, Buffer.alloc(16_000)));
    for (const frame of client.takeFramesOf(FRAME.ping)) client.send(rawFrame(FRAME.ping, FLAG.ack, 0, frame.payload));
    for (const { stream } of client.eventsOf("head")) client.connection.consume(stream, 64_000);
    expect(creditOf(client, 1)).toBe(64_000);
  });
});
