import { describe, expect, it } from "vitest";
import {
  dataFrame,
  pingFrame,
  rawFrame,
  resetFrame,
  settingsFrame,
  windowUpdateFrame,
} from "../frames/frame-fixture.ts";
import { CLIENT_PREFACE, ERROR_CODE, FLAG, FRAME, MAX_WINDOW_BYTES } from "../frames/frame-types.ts";
import { HTTP2_LIMITS, MESH_HTTP2_LIMITS } from "../http2-limits.ts";
import { Http2ServerConnection } from "./http2-server-connection.ts";
import { createRawClient, GET, outputFields, POST, type RawClient } from "./raw-peer-fixture.ts";

const CALM = { kind: "failed", code: ERROR_CODE.enhanceYourCalm };

/** The same request again and again: after the first, its block is a few bytes. */
function open(client: RawClient, index: number, fields = POST, flags = 0): Buffer {
  return client.headers(2 * index + 1, fields, flags);
}

/** Whether another stream of the connection is served. */
function isServed(client: RawClient, streamId: number): boolean {
  const events = client.send(client.headers(streamId, GET, FLAG.endStream));
  const [head] = events.filter(({ kind }) => kind === "head");
  if (head?.kind !== "head") return false;
  client.connection.respond(head.stream, 200, outputFields(), true);
  return client.takeFrames().some((frame) => frame.streamId === streamId && frame.type === FRAME.headers);
}

/** Repeats an attack until the connection fails. @returns how often, or `Infinity`. */
function countUntilFailed(client: RawClient, frames: (index: number) => readonly Buffer[], most: number): number {
  for (let count = 1; count <= most; count += 1) {
    client.send(...frames(count));
    if (client.connection.isOver) return count;
    client.takeFrames();
  }
  return Number.POSITIVE_INFINITY;
}

function expectNothingLeft({ connection, events }: RawClient): void {
  expect(events.at(-1)).toMatchObject(CALM);
  connection.takeOutput();
  for (const event of events) if (event.kind === "reset") connection.release(event.stream);
  expect([connection.activeStreams, connection.bufferedBytes, connection.hasOutput]).toEqual([0, 0, false]);
}

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

describe("a header block without end (VU#421644, CVE-2024-27983, CVE-2024-30255)", () => {
  it.each([
    { name: "of empty frames", payload: Buffer.alloc(0) },
    { name: "of one byte a frame", payload: Buffer.alloc(1) },
    { name: "of full frames", payload: Buffer.alloc(16_384) },
  ])("$name ends the connection, with at most 64 KB held", ({ payload }) => {
    const client = createRawClient();
    client.send(rawFrame(FRAME.headers, 0, 1, payload));
    let mostHeld = 0;
    const attack = (): readonly Buffer[] => {
      mostHeld = Math.max(mostHeld, client.connection.bufferedBytes);
      return [rawFrame(FRAME.continuation, 0, 1, payload)];
    };
    expect(countUntilFailed(client, attack, 100)).toBeLessThanOrEqual(8);
    expect(mostHeld).toBeLessThanOrEqual(65_536 + 1024);
    expectNothingLeft(client);
  });

  it("a block of eight frames is accepted", () => {
    const client = createRawClient();
    const block = client.block(GET);
    const frames = [...block.subarray(0, 6)].map((byte) => rawFrame(FRAME.continuation, 0, 1, Buffer.from([byte])));
    client.send(
      rawFrame(FRAME.headers, FLAG.endStream, 1),
      ...frames,
      rawFrame(FRAME.continuation, FLAG.endHeaders, 1, block.subarray(6)),
    );
    expect(client.events).toMatchObject([{ kind: "head", endsStream: true }]);
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

describe("a client that does not read", () => {
  it("has at most 1,000 replies waiting, however slowly it asks (CVE-2019-9512)", () => {
    const client = createRawClient();
    let count = 0;
    while (!client.connection.isOver && count < 5000) {
      client.nowMs += 20;
      client.send(pingFrame());
      count += 1;
    }
    expect(count).toBe(1001);
    expectNothingLeft(client);
  });

  it("gets no new streams when 256 KB of responses wait (CVE-2019-9517)", () => {
    const client = createRawClient();
    const fields = outputFields([["x-large", "y".repeat(10_000)]]);
    let refused = 0;
    for (let index = 0; index < 100; index += 1) {
      for (const event of client.send(open(client, index, GET, FLAG.endStream))) {
        if (event.kind === "head") client.connection.respond(event.stream, 200, fields, true);
        if (event.kind === "rejected") refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(70);
    expect(client.connection.bufferedBytes).toBeLessThan(300_000);
    client.takeFrames();
    expect(isServed(client, 1001)).toBe(true);
  });

  it("makes us queue at most 64 KB of content a stream before the source is paused (CVE-2019-9517)", () => {
    const client = createRawClient({ settings: [[4, 0]] });
    client.send(open(client, 0, GET, FLAG.endStream));
    const [head] = client.eventsOf("head");
    if (head === undefined) throw new Error("no request");
    client.connection.respond(head.stream, 200, outputFields(), false);
    let hasRoom = true;
    let queued = 0;
    while (hasRoom) {
      hasRoom = client.connection.sendData(head.stream, Buffer.alloc(8192), false);
      queued += 8192;
    }
    expect(queued).toBe(65_536);
    expect(client.takeFramesOf(FRAME.data)).toEqual([]);
    expect(client.eventsOf("writable")).toEqual([]);
    client.send(windowUpdateFrame(1, 40_000));
    client.takeFrames();
    expect(client.eventsOf("writable")).toHaveLength(1);
  });
});

describe("a client that grants no window", () => {
  it("has its stream reset after 60 s, while other streams are served", () => {
    const client = createRawClient({ settings: [[4, 0]] });
    client.send(open(client, 0, GET, FLAG.endStream));
    const [head] = client.eventsOf("head");
    if (head === undefined) throw new Error("no request");
    client.connection.respond(head.stream, 200, outputFields(), false);
    client.connection.sendData(head.stream, Buffer.alloc(1000), true);
    client.takeFrames();
    expect(client.connection.expire(client.nowMs + 59_999)).toEqual([]);
    expect(isServed(client, 3)).toBe(true);
    const events = client.connection.expire(client.nowMs + 60_000);
    expect(events).toMatchObject([{ kind: "reset", stream: { id: 1, queuedBytes: 0 }, cause: "stalled" }]);
    client.connection.release(head.stream);
    expect(client.connection.activeStreams).toBe(0);
  });

  it("is stopped if it grants one byte at a time (CVE-2019-9511)", () => {
    const client = createRawClient({ settings: [[4, 0]] });
    client.send(open(client, 0, GET, FLAG.endStream));
    const [head] = client.eventsOf("head");
    if (head === undefined) throw new Error("no request");
    client.connection.respond(head.stream, 200, outputFields(), false);
    client.connection.sendData(head.stream, Buffer.alloc(60_000), true);
    expect(countUntilFailed(client, () => [windowUpdateFrame(1, 1)], 5000)).toBeLessThan(1200);
    expectNothingLeft(client);
  });
});

describe("header bombs", () => {
  it("a large table entry that is named again and again is not kept (CVE-2016-6581)", () => {
    const client = createRawClient();
    // An indexed literal of 3,900 bytes, then 10,000 references to it, each one byte.
    const value = Buffer.alloc(3900, "a");
    const entry = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0xbd, 0x1d]), value]);
    const bomb = Buffer.concat([client.block(GET), entry, Buffer.alloc(10_000, 0xbe)]);
    client.send(rawFrame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 1, bomb));
    expect(client.events).toMatchObject([{ kind: "rejected", fault: { code: "too_large" } }]);
    // Fields of the static table, because the bomb has emptied the other.
    const block = Buffer.from([0x82, 0x84, 0x87, 0x01, 1, 0x61]);
    client.send(rawFrame(FRAME.headers, FLAG.endHeaders | FLAG.endStream, 3, block));
    expect(client.events.at(-1)).toMatchObject({ kind: "head", stream: { id: 3 }, head: { authority: "a" } });
  });

  it.each([
    { name: "90 crumbs are one cookie", crumbs: 90, kind: "head" },
    { name: "600 crumbs are refused", crumbs: 600, kind: "rejected" },
  ])("cookie crumbs (CVE-2026-47774): $name", ({ crumbs, kind }) => {
    const client = createRawClient();
    const cookies = Array.from({ length: crumbs }, (_, index): readonly [string, string] => ["cookie", `c${index}=1`]);
    client.send(client.headers(1, [...GET, ...cookies], FLAG.endStream));
    expect(client.events).toMatchObject([{ kind }]);
  });
});

it("streams over the limit are refused before the client has acknowledged it (CVE-2026-47244)", () => {
  const connection = new Http2ServerConnection<string>({
    nowMs: 0,
    limits: { ...HTTP2_LIMITS, maxConcurrentStreams: 2 },
  });
  const client = createRawClient();
  const heads = [1, 3, 5].map((id) => client.headers(id, POST));
  const events = connection.receive(Buffer.concat([CLIENT_PREFACE, settingsFrame(), ...heads]), 0);
  expect(events.map(({ kind }) => kind)).toEqual(["settings", "head", "head", "rejected"]);
});

it("a peer that does not acknowledge our SETTINGS within 10 s is disconnected", () => {
  const connection = new Http2ServerConnection<string>({ nowMs: 0 });
  connection.receive(Buffer.concat([CLIENT_PREFACE, settingsFrame()]), 0);
  expect(connection.expire(9999)).toEqual([]);
  expect(connection.expire(10_000)).toMatchObject([{ kind: "failed", code: ERROR_CODE.settingsTimeout }]);
});
