import { describe, expect, it } from "vitest";
import { dataFrame, readFrames, resetFrame, settingsFrame } from "../frames/frame-fixture.ts";
import { CLIENT_PREFACE, ERROR_CODE, FLAG, FRAME } from "../frames/frame-types.ts";
import { HTTP2_LIMITS, MESH_HTTP2_LIMITS } from "../http2-limits.ts";
import { Http2ClientConnection } from "./http2-client-connection.ts";
import { Http2ServerConnection } from "./http2-server-connection.ts";
import {
  createRawClient,
  createRawServer,
  type FieldPairs,
  GET,
  openRequest,
  outputFields,
  POST,
} from "./raw-peer-fixture.ts";

const OK: FieldPairs = [[":status", "200"]];

describe("a server", () => {
  it("sends SETTINGS first, with its limit of streams, and enlarges the connection's window", () => {
    const connection = new Http2ServerConnection<string>({ nowMs: 0, limits: MESH_HTTP2_LIMITS });
    const [settings, update] = readFrames(Buffer.concat(connection.takeOutput()));
    expect(settings).toMatchObject({ type: FRAME.settings, flags: 0, streamId: 0 });
    expect(settings?.payload.readUInt16BE(0)).toBe(3);
    expect(settings?.payload.readUInt32BE(2)).toBe(1024);
    expect(update).toMatchObject({ type: FRAME.windowUpdate, streamId: 0 });
    expect(update?.payload.readUInt32BE(0)).toBe(1_048_576 - 65_535);
  });

  it("refuses a connection whose first frame is not SETTINGS", () => {
    const connection = new Http2ServerConnection<string>({ nowMs: 0 });
    const events = connection.receive(Buffer.concat([CLIENT_PREFACE, dataFrame(1, "x")]), 0);
    expect(events).toMatchObject([{ kind: "failed", code: ERROR_CODE.protocolError }]);
  });

  it("reports a request's head, content and trailers, and END_STREAM as it came", () => {
    const client = createRawClient();
    client.send(client.headers(1, GET, FLAG.endStream), client.headers(3, POST));
    client.send(dataFrame(3, "hello"), dataFrame(3, "", true));
    client.send(client.headers(5, POST), client.headers(5, [["grpc-status", "0"]], FLAG.endStream));
    expect(client.events).toMatchObject([
      { kind: "head", stream: { id: 1 }, head: { method: "GET", authority: "world.ns2" }, endsStream: true },
      { kind: "head", stream: { id: 3 }, head: { method: "POST" }, endsStream: false },
      { kind: "data", bytes: Buffer.from("hello"), endsStream: false },
      { kind: "data", bytes: Buffer.alloc(0), endsStream: true },
      { kind: "head", stream: { id: 5 }, endsStream: false },
      { kind: "trailers", stream: { id: 5 }, fields: { names: ["grpc-status"], values: ["0"] } },
    ]);
  });

  it("sends interim responses, a head, content and trailers, and the stream is over", () => {
    const client = createRawClient();
    client.send(client.headers(1, GET, FLAG.endStream));
    const [head] = client.eventsOf("head");
    if (head === undefined) throw new Error("no request");
    const { connection } = client;
    connection.sendInterim(head.stream, 103, outputFields([["link", "</a>"]]));
    connection.respond(head.stream, 200, outputFields([["x-a", "b"]]), false);
    expect(connection.sendData(head.stream, Buffer.from("hello"), false)).toBe(true);
    connection.sendTrailers(head.stream, outputFields([["grpc-status", "0"]]));
    const frames = client.takeFrames();
    expect(frames.map(({ type, flags }) => [type, flags])).toEqual([
      [FRAME.headers, FLAG.endHeaders],
      [FRAME.headers, FLAG.endHeaders],
      [FRAME.data, 0],
      [FRAME.headers, FLAG.endHeaders | FLAG.endStream],
    ]);
    const heads = frames.filter(({ type }) => type === FRAME.headers).map((frame) => client.decode(frame));
    expect(heads).toEqual([
      [
        [":status", "103"],
        ["link", "</a>"],
      ],
      [
        [":status", "200"],
        ["x-a", "b"],
      ],
      [["grpc-status", "0"]],
    ]);
    expect(connection.activeStreams).toBe(0);
    expect(head.stream.life).toBe("closed");
  });

  it("writes fields that are longer than a frame as HEADERS and CONTINUATION", () => {
    const client = createRawClient();
    client.send(client.headers(1, GET, FLAG.endStream));
    const [head] = client.eventsOf("head");
    if (head === undefined) throw new Error("no request");
    client.connection.respond(head.stream, 200, outputFields([["x-long", "y".repeat(40_000)]]), true);
    const frames = client.takeFrames();
    expect(frames.map(({ type, flags, payload }) => [type, flags, payload.length <= 16_384])).toEqual([
      [FRAME.headers, FLAG.endStream, true],
      [FRAME.continuation, 0, true],
      [FRAME.continuation, FLAG.endHeaders, true],
    ]);
    const block = Buffer.concat(frames.map(({ payload }) => payload));
    const [first] = frames;
    if (first === undefined) throw new Error("no frames");
    expect(client.decode({ ...first, payload: block })).toEqual([
      [":status", "200"],
      ["x-long", "y".repeat(40_000)],
    ]);
  });

  it("refuses a head over its limits with 431, and goes on", () => {
    const limits = { ...HTTP2_LIMITS, headers: { ...HTTP2_LIMITS.headers, maxFields: 5 } };
    const client = createRawClient({ limits });
    const many: FieldPairs = [...GET, ["a", "1"], ["b", "2"]];
    client.send(client.headers(1, many, FLAG.endStream), client.headers(3, GET, FLAG.endStream));
    expect(client.events).toMatchObject([
      { kind: "rejected", streamId: 1, fault: { code: "too_large" } },
      { kind: "head", stream: { id: 3 } },
    ]);
    const [refusal] = client.takeFramesOf(FRAME.headers);
    if (refusal === undefined) throw new Error("no response");
    expect(client.decode(refusal)).toEqual([[":status", "431"]]);
  });

  it("asks a client to stop sending when its response is complete", () => {
    const client = createRawClient();
    client.send(client.headers(1, POST));
    const [head] = client.eventsOf("head");
    if (head === undefined) throw new Error("no request");
    client.connection.respond(head.stream, 403, outputFields(), true);
    client.connection.release(head.stream);
    const resets = client.takeFramesOf(FRAME.rstStream);
    expect(resets.map(({ streamId, payload }) => [streamId, payload.readUInt32BE(0)])).toEqual([
      [1, ERROR_CODE.noError],
    ]);
    expect(client.send(dataFrame(1, "late", true))).toEqual([]);
    expect(client.connection.isOver).toBe(false);
  });
});

describe("one malformed message is reset before anything of it is delivered, and its neighbours go on:", () => {
  it.each<{ name: string; frames: (client: ReturnType<typeof createRawClient>) => readonly Buffer[] }>([
    {
      name: "a head with transfer-encoding",
      frames: (c) => [c.headers(3, [...POST, ["transfer-encoding", "chunked"]])],
    },
    { name: "a head with a bare LF", frames: (c) => [c.headers(3, [...POST, ["a", "b\nc"]])] },
    { name: "an upper-case name", frames: (c) => [c.headers(3, [...POST, ["A", "b"]])] },
  ])("$name", ({ frames }) => {
    const client = createRawClient();
    client.send(
      client.headers(1, POST),
      ...frames(client),
      dataFrame(1, "fine", true),
      client.headers(5, GET, FLAG.endStream),
    );
    expect(client.events.map(({ kind }) => kind)).toEqual(["head", "rejected", "data", "head"]);
    const [reset] = client.takeFramesOf(FRAME.rstStream);
    expect(reset?.streamId).toBe(3);
    expect(reset?.payload.readUInt32BE(0)).toBe(ERROR_CODE.protocolError);
  });

  it.each<{ name: string; frames: (client: ReturnType<typeof createRawClient>) => readonly Buffer[]; data: string }>([
    {
      name: "DATA over content-length (CVE-2021-21295)",
      frames: () => [dataFrame(3, "123"), dataFrame(3, "456")],
      data: "123",
    },
    {
      name: "DATA under content-length",
      frames: () => [dataFrame(3, "12", false), dataFrame(3, "3", true)],
      data: "12",
    },
    {
      name: "trailers before all content",
      frames: (c) => [dataFrame(3, "12"), c.headers(3, [["a", "b"]], FLAG.endStream)],
      data: "12",
    },
    {
      name: "trailers without END_STREAM",
      frames: (c) => [dataFrame(3, "12345"), c.headers(3, [["a", "b"]])],
      data: "12345",
    },
    {
      name: "trailers with a pseudo-field",
      frames: (c) => [dataFrame(3, "12345"), c.headers(3, OK, FLAG.endStream)],
      data: "12345",
    },
  ])("$name", ({ frames, data }) => {
    const client = createRawClient();
    client.send(client.headers(1, POST), client.headers(3, [...POST, ["content-length", "5"]]));
    client.send(...frames(client), dataFrame(1, "fine", true));
    const content = client.eventsOf("data").filter(({ stream }) => stream.id === 3);
    expect(Buffer.concat(content.map(({ bytes }) => bytes)).toString()).toBe(data);
    expect(client.eventsOf("reset")).toMatchObject([
      { stream: { id: 3 }, code: ERROR_CODE.protocolError, cause: "fault" },
    ]);
    expect(client.eventsOf("trailers")).toEqual([]);
    expect(client.eventsOf("data").at(-1)).toMatchObject({ stream: { id: 1 }, endsStream: true });
  });
});

describe("a client", () => {
  it("sends the preface, then SETTINGS without push", () => {
    const output = Buffer.concat(new Http2ClientConnection<string>({ nowMs: 0 }).takeOutput());
    expect(output.subarray(0, CLIENT_PREFACE.length)).toEqual(CLIENT_PREFACE);
    const [settings] = readFrames(output.subarray(CLIENT_PREFACE.length));
    expect(settings?.type).toBe(FRAME.settings);
    expect([settings?.payload.readUInt16BE(0), settings?.payload.readUInt32BE(2)]).toEqual([2, 0]);
  });

  it("reports interim responses, the final one, content and trailers", () => {
    const server = createRawServer();
    const stream = openRequest(server);
    server.send(
      server.headers(1, [[":status", "103"]]),
      server.headers(1, [
        [":status", "200"],
        ["a", "b"],
      ]),
    );
    server.send(dataFrame(1, "hello"), server.headers(1, [["grpc-status", "0"]], FLAG.endStream));
    expect(server.events).toMatchObject([
      { kind: "interim", head: { status: 103 } },
      { kind: "head", head: { status: 200, names: ["a"] }, endsStream: false },
      { kind: "data", bytes: Buffer.from("hello"), endsStream: false },
      { kind: "trailers", fields: { names: ["grpc-status"] } },
    ]);
    expect(stream.life).toBe("closed");
    expect(server.connection.activeStreams).toBe(0);
  });

  it.each<{ name: string; frames: (server: ReturnType<typeof createRawServer>) => readonly Buffer[] }>([
    { name: "content before a head", frames: () => [dataFrame(1, "x")] },
    { name: "101", frames: (s) => [s.headers(1, [[":status", "101"]])] },
    {
      name: "a head with CRLF",
      frames: (s) => [
        s.headers(1, [
          [":status", "200"],
          ["a", "b\r\nc: d"],
        ]),
      ],
    },
    { name: "content of 204", frames: (s) => [s.headers(1, [[":status", "204"]]), dataFrame(1, "x", true)] },
    {
      name: "content over content-length",
      frames: (s) => [s.headers(1, [...OK, ["content-length", "1"]]), dataFrame(1, "xy")],
    },
    { name: "a second final head", frames: (s) => [s.headers(1, OK), s.headers(1, OK)] },
  ])("resets the stream of a malformed response alone: $name", ({ frames }) => {
    const server = createRawServer();
    openRequest(server);
    openRequest(server);
    server.send(...frames(server), server.headers(3, OK, FLAG.endStream));
    expect(server.eventsOf("reset")).toMatchObject([
      { stream: { id: 1 }, code: ERROR_CODE.protocolError, cause: "fault" },
    ]);
    expect(server.eventsOf("data")).toEqual([]);
    expect(server.eventsOf("head").at(-1)).toMatchObject({ stream: { id: 3 }, endsStream: true });
  });

  it("accepts a response to HEAD that declares content, but none that has it", () => {
    const server = createRawServer();
    openRequest(server, "HEAD");
    openRequest(server, "HEAD");
    server.send(server.headers(1, [...OK, ["content-length", "9"]], FLAG.endStream));
    server.send(server.headers(3, [...OK, ["content-length", "9"]]), dataFrame(3, "123456789", true));
    expect(server.events).toMatchObject([
      { kind: "head", stream: { id: 1 }, head: { contentLength: 9 }, endsStream: true },
      { kind: "head", stream: { id: 3 } },
      { kind: "reset", stream: { id: 3 }, cause: "fault" },
    ]);
  });

  it("bounds interim responses", () => {
    const server = createRawServer();
    openRequest(server);
    for (let count = 0; count < 17; count += 1) server.send(server.headers(1, [[":status", "103"]]));
    expect(server.eventsOf("interim")).toHaveLength(16);
    expect(server.eventsOf("reset")).toMatchObject([{ code: ERROR_CODE.enhanceYourCalm }]);
  });

  it("knows that a refused request was not processed, and that a cancelled one may have been", () => {
    const server = createRawServer();
    openRequest(server);
    openRequest(server);
    server.send(resetFrame(1, ERROR_CODE.refusedStream), resetFrame(3, ERROR_CODE.cancel));
    expect(server.eventsOf("reset")).toMatchObject([
      { stream: { id: 1 }, cause: "peer", isUnprocessed: true },
      { stream: { id: 3 }, cause: "peer", isUnprocessed: false },
    ]);
  });

  it("keeps within the server's MAX_CONCURRENT_STREAMS", () => {
    const server = createRawServer({ settings: [[3, 2]] });
    expect(server.connection.capacity).toBe(2);
    openRequest(server);
    openRequest(server);
    expect(server.connection.capacity).toBe(0);
    expect(() => openRequest(server)).toThrow("no capacity");
    server.send(settingsFrame([3, 5]));
    expect(server.connection.capacity).toBe(3);
  });
});
