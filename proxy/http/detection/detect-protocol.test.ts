import { describe, expect, it } from "vitest";
import { FakeClock, settlePromises } from "../../../mesh/fake-clock-fixture.ts";
import { asSocket, FakeSocket } from "../../connections/fake-socket-fixture.ts";
import { detectProtocol, guardStream, type UnjudgedRequest } from "./detect-protocol.ts";

function start() {
  const [client, server, clock] = [new FakeSocket(), new FakeSocket(), new FakeClock()];
  const detected = detectProtocol(asSocket(client), asSocket(server), clock);
  const say = async (text: string, pauseMs: number) => {
    for (const byte of Buffer.from(text, "latin1")) {
      client.push(Buffer.from([byte]));
      await settlePromises();
      await clock.advance(pauseMs);
    }
  };
  return { client, server, clock, detected, say };
}

const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const SETTINGS = Buffer.from([0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100]);

function heldBy(socket: FakeSocket): string {
  const held: unknown = socket.read();
  return Buffer.isBuffer(held) ? held.toString("latin1") : "";
}

describe("a client of a port without a declared protocol", () => {
  it.each([
    { name: "a known method, a byte each 60 ms", line: "GET /typed HTTP/1.1\r\n", pauseMs: 60 },
    { name: "a known method, a byte each 20 s", line: "DELETE /typed HTTP/1.1\r\n", pauseMs: 20_000 },
    { name: "any method, a byte each 60 ms", line: "LIST /v1 HTTP/1.1\r\n", pauseMs: 60 },
  ])("is served as HTTP however slow it is: $name", async ({ line, pauseMs }) => {
    const { client, clock, detected, say } = start();
    await say(line, pauseMs);
    expect(await detected).toEqual({ kind: "http", protocol: "http1" });
    expect(heldBy(client)).toBe(line);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    { name: "a word without a line end", said: "hello", quietMs: 200 },
    { name: "the beginning of a method, after a long pause", said: "GET", quietMs: 30_000 },
    { name: "what no strict parser accepts, at once", said: "AMQP\0\0\x09\x01", quietMs: 0 },
    { name: "a line of another protocol, at once", said: "OPTIONS rtsp://a RTSP/1.0\r\n", quietMs: 0 },
  ])("is forwarded as a guarded stream when it pauses after $name", async ({ said, quietMs }) => {
    const { client, clock, detected } = start();
    client.push(Buffer.from(said, "latin1"));
    await settlePromises();
    await clock.advance(quietMs);
    expect(await detected).toMatchObject({ kind: "stream", isGuarded: true });
    expect(heldBy(client)).toBe(said);
    expect(clock.pendingTimers).toBe(0);
  });

  it.each([
    { name: "a whole request line without its end, and silence", said: "GET / HTTP/1.1", quietMs: 30_000 },
    { name: "a request line that only some servers split", said: "GET\x1f/a\x1fHTTP/1.1", quietMs: 0 },
  ])("is refused without a response: $name", async ({ said, quietMs }) => {
    const { client, clock, detected } = start();
    client.push(Buffer.from(said, "latin1"));
    await settlePromises();
    await clock.advance(quietMs);
    expect(await detected).toMatchObject({ kind: "refused", reason: "ambiguous_first_line" });
    expect(client.written).toBe("");
  });

  it("is no longer inspected once the server has spoken, and its bytes stay", async () => {
    const { client, server, clock, detected } = start();
    client.push("GET /");
    await settlePromises();
    server.push("220 ready\r\n");
    expect(await detected).toMatchObject({ kind: "stream", isGuarded: true });
    expect([heldBy(client), heldBy(server), clock.pendingTimers]).toEqual(["GET /", "220 ready\r\n", 0]);
  });

  it.each([
    { name: "at once", pauseMs: 0 },
    { name: "a byte each 20 s", pauseMs: 20_000 },
  ])("is served as HTTP/2 by its complete preface: $name", async ({ pauseMs }) => {
    const { client, clock, detected, say } = start();
    await say(PREFACE, pauseMs);
    expect(await detected).toEqual({ kind: "http", protocol: "http2" });
    expect(heldBy(client)).toBe(PREFACE);
    expect(clock.pendingTimers).toBe(0);
  });

  it("is awaited when the server begins with SETTINGS, as servers of HTTP/2 do, and not only then", async () => {
    const { client, server, detected } = start();
    server.push(SETTINGS);
    await settlePromises();
    client.push(PREFACE);
    expect(await detected).toEqual({ kind: "http", protocol: "http2" });
    expect([heldBy(client), heldBy(server)]).toEqual([PREFACE, SETTINGS.toString("latin1")]);
  });

  it("is inspected from its first byte when the server's SETTINGS come in its middle", async () => {
    const { client, server, detected } = start();
    client.push(PREFACE.slice(0, 10));
    await settlePromises();
    server.push(SETTINGS);
    await settlePromises();
    client.push(PREFACE.slice(10));
    expect(await detected).toEqual({ kind: "http", protocol: "http2" });
  });

  it.each([
    { said: "hello", detected: { kind: "stream", early: Buffer.from("hello") } },
    { said: "GET / HTTP/1.1", detected: { kind: "refused" } },
    { said: "PRI * HTTP/2.0\r", detected: { kind: "refused" } },
  ])("is judged by $said when it half-closes there", async ({ said, detected: expected }) => {
    const { client, detected } = start();
    client.push(said);
    await settlePromises();
    client.push(null);
    expect(await detected).toMatchObject(expected);
  });
});

describe("a guarded stream", () => {
  /** What is delivered of these packets, and why it stops. */
  async function guard(
    packets: readonly string[],
  ): Promise<{ delivered: string; refused: UnjudgedRequest["reason"][] }> {
    const client = new FakeSocket();
    const refused: UnjudgedRequest["reason"][] = [];
    let delivered = "";
    guardStream(asSocket(client), ({ reason }) => {
      refused.push(reason);
      client.destroy();
    });
    client.on("data", (chunk: Buffer) => {
      if (!client.destroyed) delivered += chunk.toString("latin1");
    });
    client.resume();
    for (const packet of packets) {
      client.push(Buffer.from(packet, "latin1"));
      await settlePromises();
    }
    return { delivered, refused };
  }

  const FORGED = "X-Forwarded-Client-Cert: URI=forged\r\n\r\n";

  it.each([
    { name: "becomes a request", packets: ["FO", "O /x HTTP/1.1\r\n", FORGED], delivered: "FO", reason: "late_http" },
    { name: "becomes HTTP/2", packets: [PREFACE.slice(0, 3), PREFACE.slice(3)], delivered: "PRI", reason: "late_http" },
    { name: "becomes one without a line end", packets: ["FO", "O /x HTTP/1.1"], delivered: "FO", reason: "late_http" },
    {
      name: "becomes one for some servers",
      packets: ["FO", "O\x0b/x\x0bHTTP/1.1\n"],
      delivered: "FO",
      reason: "ambiguous_first_line",
    },
    {
      name: "carries an identity field",
      packets: ["OPTIONS rtsp://a RTSP/1.0\r\n", "CSeq: 1\r\nX-Forwarded-", "Client-Cert: URI=forged\r\n\r\n"],
      delivered: "OPTIONS rtsp://a RTSP/1.0\r\nCSeq: 1\r\nX-Forwarded-",
      reason: "ambiguous_first_line",
    },
    {
      name: "carries one in a later request",
      packets: ["OPTIONS rtsp://a RTSP/1.0\r\n\r\n", `GET / HTTP/1.1\r\n${FORGED}`],
      delivered: "OPTIONS rtsp://a RTSP/1.0\r\n\r\n",
      reason: "ambiguous_first_line",
    },
  ])("is cut before the bytes are delivered with which it $name", async ({ packets, delivered, reason }) => {
    expect(await guard(packets)).toEqual({ delivered, refused: [reason] });
  });

  it.each([
    { name: "text that quotes a request", packets: ['say "GET / HTTP/1.1" again', " and again\n", "more\n"] },
    { name: "a mail", packets: ["EHLO a\r\n", "DATA\r\n", "Subject: x-forwarded-client-cert: why\r\n.\r\n"] },
    { name: "a long line without an end", packets: ["word ", ..."x".repeat(20).split(""), "y".repeat(200_000)] },
    { name: "what cannot become a request, whatever follows", packets: ["A\0\0\0\x01\0", FORGED] },
  ])("is delivered completely: $name", async ({ packets }) => {
    expect(await guard(packets)).toEqual({ delivered: packets.join(""), refused: [] });
  });
});
