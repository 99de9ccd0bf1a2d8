import { describe, expect, it } from "vitest";
import { settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import type { FakeSocket } from "../../connections/fake-socket-fixture.ts";
import { HTTP1_LIMITS } from "../../http1/http1-limits.ts";
import { WORLD } from "../../mesh-identities-fixture.ts";
import type { AbortReason } from "../../messages/abort-reason.ts";
import type { BodyPiece } from "../../messages/body-piece.ts";
import { address, createSink, EDITS, PoolWorld, requestHead } from "../pool/upstream-pool-fixture.ts";
import { Http1Upstream } from "./http1-upstream.ts";
import type { ResponseSink } from "./upstream-stream.ts";

const GET = requestHead();
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

function begin(connection: Http1Upstream, sink: ResponseSink, head = GET): void {
  const stream = connection.openStream();
  stream.cork();
  stream.sendHead(sink, head, EDITS);
  stream.uncork();
}

function open(peer = "") {
  const world = new PoolWorld();
  const sink = createSink();
  const events: string[] = [];
  const connection = new Http1Upstream(
    { ...world.connect(address(1)), peer },
    {
      owner: { onClosed: () => void events.push("closed") },
      messageLimits: HTTP1_LIMITS,
      nowMs: () => 0,
      exactMs: () => 0,
      settings: () => world.settings,
    },
  );
  const socket = world.sockets[0] as FakeSocket;
  const says = async (...packets: readonly string[]): Promise<void> => {
    for (const packet of packets) {
      socket.push(Buffer.from(packet, "latin1"));
      await settlePromises();
    }
  };
  const noting = {
    ...sink,
    onPacketStart: () => void events.push("start"),
    onPacketEnd: () => void events.push("stop"),
    onResponseHead: ({ status }: { status: number }) => void events.push(`${status}`),
    onResponseBody: ({ bytes }: BodyPiece) => void events.push(bytes.toString("latin1")),
    onResponseEnd: () => {
      events.push("end");
      connection.release();
    },
    onUpstreamLost: (reason: AbortReason) => void events.push(`lost ${reason.kind === "malformed" ? reason.code : ""}`),
  };
  return { connection, socket, events, says, sink: noting };
}

describe("a response", () => {
  it("that comes in one packet is reported as one", async () => {
    const { connection, events, says, sink } = open();
    begin(connection, sink);
    await says(OK);
    expect(events).toEqual(["start", "200", "ok", "end", "stop"]);
    expect(connection.isReusable).toBe(true);
  });

  it("is not finished by an interim response", async () => {
    const { connection, events, says, sink } = open();
    begin(connection, sink);
    await says("HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 103 Early Hints\r\nKeep-Alive: timeout=1\r\n\r\n", OK);
    expect(events.filter((event) => event === "end")).toHaveLength(1);
    expect(events).toEqual(expect.arrayContaining(["100", "103", "200"]));
    expect(connection.isReusable).toBe(true);
  });

  it("that ends with its connection is complete at the FIN", async () => {
    const { connection, socket, events, says, sink } = open();
    begin(connection, sink);
    await says("HTTP/1.1 200 OK\r\n\r\n", "all of it");
    socket.push(null);
    await settlePromises();
    expect(events).toEqual(["200", "all of it", "end", "closed"]);
    expect(connection.isReusable).toBe(false);
  });
});

describe("a connection is lost", () => {
  it.each([
    { name: "before a response", packets: [], events: ["closed", "lost "] },
    { name: "in a head", packets: ["HTTP/1.1 200 OK\r\nCont"], events: ["closed", "lost "] },
    {
      name: "in a body",
      packets: ["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", "part"],
      events: ["200", "part", "closed", "lost "],
    },
  ])("when it ends $name, by FIN or reset", async ({ packets, events: expected }) => {
    for (const end of [(socket: FakeSocket) => socket.push(null), (socket: FakeSocket) => socket.destroy()]) {
      const { connection, socket, events, says, sink } = open();
      begin(connection, sink);
      await says(...packets);
      end(socket);
      await settlePromises();
      expect(events).toEqual(expected);
      expect([connection.isReusable, socket.destroyed]).toEqual([false, true]);
    }
  });

  it.each([
    { name: "bytes that are not HTTP", packet: "220 mail.example.com\r\n\r\n", code: "bad_start_line" },
    { name: "a response with two lengths", packet: `HTTP/1.1 200 OK\r\nContent-Length: 1\r\n${OK.slice(17)}` },
  ])("with a reset when it receives $name", async ({ packet, code }) => {
    const { connection, socket, events, says, sink } = open();
    begin(connection, sink);
    await says(packet);
    expect(events.filter((event) => event.startsWith("lost"))).toEqual([`lost ${code ?? "bad_content_length"}`]);
    expect([connection.isReusable, socket.wasReset]).toEqual([false, true]);
  });

  it.each([
    { name: "a second response in the same packet", packets: [`${OK}HTTP/1.1 200 OK\r\n\r\nforged`] },
    { name: "a second response later", packets: [OK, "HTTP/1.1 200 OK\r\n\r\nforged"] },
  ])("with a reset when it receives $name, which is discarded (RFC 9112 §9.2)", async ({ packets }) => {
    const { connection, socket, events, says, sink } = open();
    begin(connection, sink);
    await says(...packets);
    expect(events.join()).not.toContain("forged");
    expect([connection.isReusable, socket.wasReset]).toEqual([false, true]);
    expect(events.filter((event) => event === "closed")).toHaveLength(1);
  });
});

describe("a connection whose request has finished", () => {
  it("is read again, although its client could not accept more", async () => {
    const { connection, socket, says, sink } = open();
    begin(connection, sink);
    await says(OK.slice(0, -1));
    socket.pause();
    connection.release();
    expect(socket.isPaused()).toBe(false);
  });

  it("reports nothing when it is cut", async () => {
    const { connection, socket, events, sink } = open();
    begin(connection, sink);
    connection.abort();
    await settlePromises();
    expect(events).toEqual(["closed"]);
    expect(socket.wasReset).toBe(true);
  });

  it("is not closed as idle during a request", () => {
    const { connection, socket, sink } = open();
    begin(connection, sink);
    connection.retire();
    expect(socket.destroyed).toBe(false);
    connection.release();
    connection.retire();
    expect([socket.destroyed, socket.wasReset]).toEqual([true, false]);
  });

  it("is a tunnel after 101, including the server's following bytes", async () => {
    const { connection, socket, events, says, sink } = open();
    begin(connection, sink, requestHead("Connection: Upgrade\r\nUpgrade: echo\r\n"));
    await says("HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nfirst");
    expect(events).toContain("101");
    expect(connection.detach()).toBe(socket);
    expect(socket.read()?.toString()).toBe("first");
    socket.push("second");
    await settlePromises();
    expect(socket.read()?.toString()).toBe("second");
    expect(events.filter((event) => /first|second|lost/.test(event))).toEqual([]);
    expect([socket.listenerCount("data"), socket.listenerCount("error")]).toEqual([0, 1]);
  });
});

describe("a server that closes with its response", () => {
  const CLOSING = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
  const POST = { ...requestHead(), content: { kind: "length", length: 3 } } as const;

  it("has announced the connection's end, if it is a sidecar", async () => {
    for (const peer of [WORLD, ""]) {
      const { connection, says, sink } = open(peer);
      begin(connection, sink);
      await says(CLOSING);
      expect(connection.isEnding).toBe(peer === WORLD);
    }
  });

  it("before it has read the request has not: it closes because of the rest", async () => {
    const { connection, says, sink } = open(WORLD);
    begin(connection, sink, POST);
    await says(CLOSING);
    expect(connection.isEnding).toBe(false);
  });

  it("after the whole body has", async () => {
    const { connection, says, sink } = open(WORLD);
    begin(connection, sink, POST);
    connection.sendBody({ bytes: Buffer.from("abc"), ranges: undefined });
    connection.sendEnd(undefined);
    await says(CLOSING);
    expect(connection.isEnding).toBe(true);
  });
});
