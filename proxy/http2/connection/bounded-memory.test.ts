import { describe, expect, it } from "vitest";
import { pingFrame, rawFrame, settingsFrame, windowUpdateFrame } from "../frames/frame-fixture.ts";
import { CLIENT_PREFACE, ERROR_CODE, FLAG, FRAME } from "../frames/frame-types.ts";
import { HTTP2_LIMITS } from "../http2-limits.ts";
import { countUntilFailed, expectNothingLeft, isServed, open } from "./flood-fixture.ts";
import { Http2ServerConnection } from "./http2-server-connection.ts";
import { createRawClient, GET, outputFields, POST } from "./raw-peer-fixture.ts";

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
