import { describe, expect, it } from "vitest";
import {
  dataFrame,
  goawayFrame,
  pingFrame,
  rawFrame,
  resetFrame,
  settingsFrame,
  windowUpdateFrame,
} from "../frames/frame-fixture.ts";
import { ERROR_CODE, FLAG, FRAME, MAX_STREAM_ID, MAX_WINDOW_BYTES } from "../frames/frame-types.ts";
import {
  createRawClient,
  createRawServer,
  GET,
  openRequest,
  outputFields,
  POST,
  type RawClient,
} from "./raw-peer-fixture.ts";

const { protocolError, streamClosed, flowControlError, frameSizeError, compressionError, noError } = ERROR_CODE;

/** A client whose stream 1 is complete in both directions, 3 was reset by us, 5 is half-closed, and 7 is open. */
function createBusyClient(): RawClient {
  const client = createRawClient();
  client.send(client.headers(1, GET, FLAG.endStream), client.headers(3, POST), client.headers(5, GET, FLAG.endStream));
  client.send(client.headers(7, POST));
  for (const { stream } of client.eventsOf("head")) {
    if (stream.id === 1) client.connection.respond(stream, 200, outputFields(), true);
    if (stream.id === 3) client.connection.reset(stream, ERROR_CODE.cancel);
  }
  client.takeFrames();
  client.events.length = 0;
  return client;
}

describe("what RFC 9113 calls a connection error ends the connection, after a reset of each stream", () => {
  it.each<{ name: string; frames: (client: RawClient) => readonly Buffer[]; code: number }>([
    { name: "HEADERS on an even stream", frames: (c) => [c.headers(8, GET)], code: protocolError },
    { name: "HEADERS on a lower stream that has ended", frames: (c) => [c.headers(1, GET)], code: streamClosed },
    { name: "DATA on an idle stream", frames: () => [dataFrame(9, "x")], code: protocolError },
    { name: "RST_STREAM on an idle stream", frames: () => [resetFrame(9)], code: protocolError },
    { name: "WINDOW_UPDATE on an idle stream", frames: () => [windowUpdateFrame(9, 1)], code: protocolError },
    { name: "DATA on a stream that has ended", frames: () => [dataFrame(1, "x")], code: streamClosed },
    {
      name: "a wrong PRIORITY on an idle stream",
      frames: () => [rawFrame(FRAME.priority, 0, 9, "1")],
      code: frameSizeError,
    },
    { name: "WINDOW_UPDATE of 0 on the connection", frames: () => [windowUpdateFrame(0, 0)], code: protocolError },
    {
      name: "a window of the connection over 2^31-1",
      frames: () => [windowUpdateFrame(0, MAX_WINDOW_BYTES)],
      code: flowControlError,
    },
    { name: "an initial window over 2^31-1", frames: () => [settingsFrame([4, 0x80000000])], code: flowControlError },
    {
      name: "an initial window that overflows an open stream's",
      frames: () => [windowUpdateFrame(7, 100), settingsFrame([4, MAX_WINDOW_BYTES])],
      code: flowControlError,
    },
    { name: "SETTINGS_ENABLE_PUSH of 2", frames: () => [settingsFrame([2, 2])], code: protocolError },
    { name: "SETTINGS_MAX_FRAME_SIZE of 16,383", frames: () => [settingsFrame([5, 16_383])], code: protocolError },
    { name: "SETTINGS_MAX_FRAME_SIZE of 2^24", frames: () => [settingsFrame([5, 16_777_216])], code: protocolError },
    {
      name: "ENABLE_CONNECT_PROTOCOL that is withdrawn",
      frames: () => [settingsFrame([8, 1], [8, 0])],
      code: protocolError,
    },
    {
      name: "a header block that HPACK cannot decode",
      frames: () => [rawFrame(FRAME.headers, FLAG.endHeaders, 9, "\x80")],
      code: compressionError,
    },
    {
      name: "an undecodable block on a stream that was reset",
      frames: () => [rawFrame(FRAME.headers, FLAG.endHeaders, 3, "\x80")],
      code: compressionError,
    },
    {
      name: "padding of HEADERS longer than the frame",
      frames: () => [rawFrame(FRAME.headers, FLAG.endHeaders | FLAG.padded, 9, "\x05a")],
      code: protocolError,
    },
  ])("$name", ({ frames, code }) => {
    const client = createBusyClient();
    client.send(...frames(client), pingFrame());
    expect(client.events.at(-1)).toMatchObject({ kind: "failed", code });
    expect(client.eventsOf("reset").map(({ stream, cause }) => [stream.id, cause])).toEqual([
      [5, "connection"],
      [7, "connection"],
    ]);
    const last = client.takeFrames().at(-1);
    expect(last?.type).toBe(FRAME.goaway);
    expect(last?.payload.readUInt32BE(4)).toBe(code);
    expect(client.send(pingFrame())).toEqual([]);
  });
});

describe("a stream error resets one stream", () => {
  it.each<{ name: string; frames: (client: RawClient) => readonly Buffer[]; id: number; code: number }>([
    { name: "DATA on a half-closed stream", frames: () => [dataFrame(5, "x")], id: 5, code: streamClosed },
    {
      name: "HEADERS on a half-closed stream",
      frames: (c) => [c.headers(5, [["a", "b"]], FLAG.endStream)],
      id: 5,
      code: streamClosed,
    },
    { name: "WINDOW_UPDATE of 0", frames: () => [windowUpdateFrame(7, 0)], id: 7, code: protocolError },
    {
      name: "a window over 2^31-1",
      frames: () => [windowUpdateFrame(7, MAX_WINDOW_BYTES)],
      id: 7,
      code: flowControlError,
    },
    {
      name: "a PRIORITY of four bytes",
      frames: () => [rawFrame(FRAME.priority, 0, 7, "1234")],
      id: 7,
      code: frameSizeError,
    },
  ])("$name", ({ frames, id, code }) => {
    const client = createBusyClient();
    client.send(...frames(client), client.headers(9, GET, FLAG.endStream));
    expect(client.eventsOf("reset")).toMatchObject([{ stream: { id }, code, cause: "fault" }]);
    expect(client.eventsOf("head")).toMatchObject([{ stream: { id: 9 } }]);
    const resets = client.takeFramesOf(FRAME.rstStream);
    expect(resets.map(({ streamId, payload }) => [streamId, payload.readUInt32BE(0)])).toEqual([[id, code]]);
  });
});

describe("legal frames that change nothing", () => {
  it.each<{ name: string; frames: (client: RawClient) => readonly Buffer[] }>([
    {
      name: "DATA, trailers and RST_STREAM on a stream that we reset",
      frames: (c) => [dataFrame(3, "late"), c.headers(3, [["a", "b"]], FLAG.endStream), resetFrame(3)],
    },
    {
      name: "RST_STREAM and WINDOW_UPDATE on a stream that has ended",
      frames: () => [resetFrame(1), windowUpdateFrame(1, 5)],
    },
    { name: "PRIORITY on an idle stream", frames: () => [rawFrame(FRAME.priority, 0, 9, "12345")] },
    {
      name: "an unknown frame and an unknown setting",
      frames: () => [rawFrame(0x42, 0, 9, "x"), settingsFrame([0x42, 1])],
    },
  ])("$name", ({ frames }) => {
    const client = createBusyClient();
    client.send(...frames(client));
    expect(client.events.filter(({ kind }) => kind !== "settings")).toEqual([]);
    expect(client.takeFrames().filter(({ type }) => type !== FRAME.settings)).toEqual([]);
    expect(client.connection.isOver).toBe(false);
  });

  it("keeps the compression table over a block on a stream that was reset", () => {
    const client = createBusyClient();
    const fields = [...GET, ["user-agent", "some-agent/1.0"]] as const;
    client.send(client.headers(3, fields, FLAG.endStream), client.headers(9, fields, FLAG.endStream));
    expect(client.eventsOf("head")).toMatchObject([{ head: { names: ["user-agent"], values: ["some-agent/1.0"] } }]);
  });

  it("opening a stream closes the lower ones that were skipped", () => {
    const client = createBusyClient();
    client.send(client.headers(99, GET, FLAG.endStream), client.headers(97, GET, FLAG.endStream));
    expect(client.events.at(-1)).toMatchObject({ kind: "failed", code: streamClosed });
  });
});

describe("PING", () => {
  it("is answered with its own bytes, before other output", () => {
    const client = createBusyClient();
    client.send(settingsFrame(), pingFrame("abcdefgh"));
    const [first, second] = client.takeFrames();
    expect([first?.type, first?.flags, first?.payload.toString()]).toEqual([FRAME.ping, FLAG.ack, "abcdefgh"]);
    expect(second?.type).toBe(FRAME.settings);
  });
});

describe("the end of a connection in two steps", () => {
  it("accepts streams until the PING returns, names the last one, finishes streams, and is drained", () => {
    const client = createRawClient();
    client.send(client.headers(1, GET, FLAG.endStream));
    client.connection.drain(client.nowMs);
    const [goaway, ping] = client.takeFrames();
    expect([goaway?.type, goaway?.payload.readUInt32BE(0)]).toEqual([FRAME.goaway, MAX_STREAM_ID]);
    expect(ping?.type).toBe(FRAME.ping);
    client.send(client.headers(3, GET, FLAG.endStream));
    client.send(rawFrame(FRAME.ping, FLAG.ack, 0, ping?.payload));
    const [final] = client.takeFrames();
    expect([final?.type, final?.payload.readUInt32BE(0), final?.payload.readUInt32BE(4)]).toEqual([
      FRAME.goaway,
      3,
      noError,
    ]);
    client.send(client.headers(5, POST), dataFrame(5, "ignored", true));
    const heads = client.eventsOf("head");
    expect(heads.map(({ stream }) => stream.id)).toEqual([1, 3]);
    for (const { stream } of heads) {
      expect(client.eventsOf("drained")).toEqual([]);
      client.connection.respond(stream, 200, outputFields(), true);
      client.takeFrames();
    }
    expect(client.eventsOf("drained")).toHaveLength(1);
  });

  it("ends the first step after the grace time, if the PING is not answered", () => {
    const client = createRawClient();
    client.connection.drain(client.nowMs);
    client.takeFrames();
    expect(client.connection.expire(client.nowMs + 999)).toEqual([]);
    expect(client.connection.expire(client.nowMs + 1000)).toEqual([{ kind: "drained" }]);
  });

  it("tells a client which requests were not processed, and keeps the others", () => {
    const server = createRawServer();
    const streams = [openRequest(server), openRequest(server), openRequest(server)];
    server.send(goawayFrame(MAX_STREAM_ID));
    expect(server.eventsOf("reset")).toEqual([]);
    expect([server.connection.capacity, server.connection.isExhausted]).toEqual([0, true]);
    server.send(goawayFrame(1));
    expect(server.eventsOf("reset")).toMatchObject([
      { stream: { id: 3 }, cause: "goaway", isUnprocessed: true },
      { stream: { id: 5 }, cause: "goaway", isUnprocessed: true },
    ]);
    expect(streams.map(({ life }) => life)).toEqual(["open", "reset", "reset"]);
    server.send(server.headers(1, [[":status", "200"]], FLAG.endStream));
    expect(server.events.at(-1)).toEqual({ kind: "drained" });
  });

  it("resets all streams when the socket is gone, and has no output then", () => {
    const client = createBusyClient();
    expect(client.connection.end()).toMatchObject([
      { kind: "reset", stream: { id: 5 }, cause: "connection" },
      { kind: "reset", stream: { id: 7 }, cause: "connection" },
    ]);
    expect(client.connection.hasOutput).toBe(false);
  });
});
