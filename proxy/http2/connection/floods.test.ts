import { describe, expect, it } from "vitest";
import {
  dataFrame,
  pingFrame,
  rawFrame,
  resetFrame,
  settingsFrame,
  windowUpdateFrame,
} from "../frames/frame-fixture.ts";
import { ERROR_CODE, FLAG, FRAME, MAX_WINDOW_BYTES } from "../frames/frame-types.ts";
import { MESH_HTTP2_LIMITS } from "../http2-limits.ts";
import { countUntilFailed, expectNothingLeft, isServed, open } from "./flood-fixture.ts";
import { createRawClient, GET, POST, type RawClient } from "./raw-peer-fixture.ts";

describe("rapid reset (CVE-2023-44487)", () => {
  it("ends the connection after 200 resets", () => {
    const client = createRawClient();
    let released = 0;
    const frames = (index: number): readonly Buffer[] => {
      for (const event of client.events.slice(released)) {
        if (event.kind === "reset") client.connection.release(event.stream);
      }
      released = client.events.length;
      return [open(client, index, GET, FLAG.endStream), resetFrame(2 * index + 1)];
    };
    expect(countUntilFailed(client, frames, 1000)).toBe(201);
    expectNothingLeft(client);
  });

  it("counts a reset stream as active until its work is released, and serves again then", () => {
    const client = createRawClient();
    for (let index = 0; index < 128; index += 1) {
      client.send(open(client, index, GET, FLAG.endStream), resetFrame(2 * index + 1));
    }
    expect(client.connection.activeStreams).toBe(128);
    expect(isServed(client, 1001)).toBe(false);
    expect(client.events.at(-1)).toMatchObject({ kind: "rejected", code: ERROR_CODE.refusedStream });
    for (const { stream } of client.eventsOf("reset")) client.connection.release(stream);
    expect(client.connection.activeStreams).toBe(0);
    expect(isServed(client, 1003)).toBe(true);
  });

  it("lets a client cancel 50 requests a second for ever", () => {
    const client = createRawClient();
    for (let index = 0; index < 3000; index += 1) {
      client.nowMs += 20;
      const events = client.send(open(client, index, GET, FLAG.endStream), resetFrame(2 * index + 1));
      for (const event of events) if (event.kind === "reset") client.connection.release(event.stream);
      client.takeFrames();
    }
    expect(client.connection.isOver).toBe(false);
  });
});

describe("a client that makes us reset its streams (CVE-2025-8671) is stopped as one that resets them:", () => {
  it.each<{ name: string; frames: (client: RawClient, id: number) => readonly Buffer[]; flags: number }>([
    { name: "WINDOW_UPDATE of 0", frames: (_, id) => [windowUpdateFrame(id, 0)], flags: FLAG.endStream },
    {
      name: "a window over 2^31-1",
      frames: (_, id) => [windowUpdateFrame(id, MAX_WINDOW_BYTES)],
      flags: FLAG.endStream,
    },
    { name: "DATA on a half-closed stream", frames: (_, id) => [dataFrame(id, "x")], flags: FLAG.endStream },
    {
      name: "HEADERS on a half-closed stream",
      frames: (c, id) => [c.headers(id, [["a", "b"]], FLAG.endStream)],
      flags: FLAG.endStream,
    },
    {
      name: "PRIORITY of a wrong size",
      frames: (_, id) => [rawFrame(FRAME.priority, 0, id, "1")],
      flags: FLAG.endStream,
    },
    { name: "trailers with a pseudo-field", frames: (c, id) => [c.headers(id, GET, FLAG.endStream)], flags: 0 },
    { name: "trailers without an end", frames: (c, id) => [c.headers(id, [["a", "b"]])], flags: 0 },
  ])("$name", ({ frames, flags }) => {
    const client = createRawClient();
    const attack = (index: number): readonly Buffer[] => {
      for (const event of client.events.splice(0)) if (event.kind === "reset") client.connection.release(event.stream);
      return [open(client, index, POST, flags), ...frames(client, 2 * index + 1)];
    };
    expect(countUntilFailed(client, attack, 1000)).toBeLessThanOrEqual(201);
    expectNothingLeft(client);
  });

  it("counts malformed requests, too", () => {
    const client = createRawClient();
    const attack = (index: number): readonly Buffer[] => [client.headers(2 * index + 1, [...GET, ["te", "gzip"]])];
    expect(countUntilFailed(client, attack, 1000)).toBeLessThanOrEqual(201);
  });
});

describe("frames that carry nothing end the connection when there are too many, and not at a usual rate:", () => {
  it.each<{ name: string; frame: (client: RawClient) => Buffer }>([
    { name: "PING (CVE-2019-9512)", frame: () => pingFrame() },
    { name: "answers to no PING", frame: () => pingFrame("12345678", FLAG.ack) },
    { name: "SETTINGS (CVE-2019-9515)", frame: () => settingsFrame([4, 65_535]) },
    { name: "acknowledgements of no SETTINGS", frame: () => rawFrame(FRAME.settings, FLAG.ack, 0) },
    { name: "PRIORITY (CVE-2019-9513)", frame: () => rawFrame(FRAME.priority, 0, 1, "12345") },
    { name: "empty DATA (CVE-2019-9518)", frame: () => dataFrame(1, "") },
    { name: "padded empty DATA", frame: () => rawFrame(FRAME.data, FLAG.padded, 1, "\x03abc") },
    { name: "WINDOW_UPDATE of the connection", frame: () => windowUpdateFrame(0, 1) },
    { name: "WINDOW_UPDATE of a stream", frame: () => windowUpdateFrame(1, 1) },
    { name: "unknown types", frame: () => rawFrame(0x42, 0, 0, "x") },
    { name: "GOAWAY", frame: () => rawFrame(FRAME.goaway, 0, 0, Buffer.alloc(8)) },
    { name: "DATA on a stream that was reset", frame: () => dataFrame(3, "") },
    { name: "RST_STREAM on a stream that was reset", frame: () => resetFrame(3) },
    { name: "HEADERS on a stream that was reset", frame: (client) => client.headers(3, []) },
  ])("$name", ({ frame }) => {
    const client = createRawClient();
    client.send(open(client, 0), client.headers(3, POST), resetFrame(3));
    expect(countUntilFailed(client, () => [frame(client)], 20_000)).toBeLessThanOrEqual(1200);
    expectNothingLeft(client);

    const slow = createRawClient();
    slow.send(open(slow, 0), slow.headers(3, POST), resetFrame(3));
    const attack = (): readonly Buffer[] => {
      slow.nowMs += 200;
      return [frame(slow)];
    };
    expect(countUntilFailed(slow, attack, 3000)).toBe(Number.POSITIVE_INFINITY);
    expect(slow.connection.bufferedBytes).toBe(0);
  });

  it("a SETTINGS frame with thousands of entries costs as much as many frames", () => {
    const client = createRawClient();
    const entries = Array.from({ length: 2700 }, (): readonly [number, number] => [0x4242, 1]);
    expect(countUntilFailed(client, () => [settingsFrame(...entries)], 1000)).toBeLessThanOrEqual(15);
  });

  it("a peer of the mesh that measures a round trip with each DATA frame is not stopped", () => {
    const client = createRawClient({ limits: MESH_HTTP2_LIMITS });
    client.send(open(client, 0));
    const attack = (): readonly Buffer[] => {
      for (const event of client.events.splice(0))
        if (event.kind === "data") client.connection.consume(event.stream, 100);
      return [dataFrame(1, Buffer.alloc(100)), pingFrame()];
    };
    expect(countUntilFailed(client, attack, 30_000)).toBe(Number.POSITIVE_INFINITY);
  });
});
