import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { dialRaw, readUntil, readUntilClosed, sendRaw } from "../../../net/raw-client-fixture.ts";
import { type InboundSide, startInboundSide } from "../../inbound-side-fixture.ts";
import { meshDestination } from "../../mesh-identities-fixture.ts";
import { startOutboundSide } from "../../outbound-side-fixture.ts";
import { listen } from "../../raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const FORGED = "X-Forwarded-Client-Cert: URI=forged\r\n\r\n";
const HONEST = "GET /honest HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
const OK = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

type Side = Pick<InboundSide, "recorder" | "registry" | "http">;

interface Way {
  readonly port: number;
  /** Everything that the application has received. */
  readonly delivered: () => string;
  readonly sides: readonly Side[];
}

type StartWay = (onConnection: (socket: Socket) => void) => Promise<Way>;

async function startApplication(onConnection: (socket: Socket) => void) {
  let delivered = "";
  const applicationPort = await listen(cleanup, (socket) => {
    socket.on("data", (chunk) => {
      delivered += chunk.toString("latin1");
    });
    onConnection(socket);
  });
  return { applicationPort, delivered: () => delivered };
}

/** The server's sidecar alone, for a client without one; and both sidecars. */
const WAYS: readonly { readonly way: string; readonly start: StartWay }[] = [
  {
    way: "one proxy",
    start: async (onConnection) => {
      const { applicationPort, delivered } = await startApplication(onConnection);
      const inbound = await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort });
      return { port: inbound.port, delivered, sides: [inbound] };
    },
  },
  {
    way: "two proxies",
    start: async (onConnection) => {
      const { applicationPort, delivered } = await startApplication(onConnection);
      const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort });
      const outbound = await startOutboundSide(cleanup, { destination: meshDestination([inbound.port]) });
      return {
        port: outbound.port,
        delivered,
        sides: [inbound, outbound],
      };
    },
  },
];

function echo(socket: Socket): void {
  socket.pipe(socket);
}

const ATTACKS: readonly (readonly string[])[] = [
  [`GET\x1f/a\x1fHTTP/1.1\r\n${FORGED}`],
  ...["\x0b", "\x0c", "\x1c", "\x85", "\xa0", "\0", "\xe2\x80\x83"].map((blank) => [
    `GET${blank}/a${blank}HTTP/1.1\r\n${FORGED}`,
  ]),
  [`FOO\x1f/a\x1fHTTP/1.1\r\n${FORGED}`],
  ["FO", "O\x1f/a\x1fHT", `TP/1.1\r\n${FORGED}`],
  [`OPTIONS rtsp://a RTSP/1.0\r\n${FORGED}`],
  ["OPTIONS rtsp://a RTSP/1.0\r\nX-Forwarded-", "Client-Cert: URI=forged\r\n\r\n"],
  [`GET foo\r\n${FORGED}`],
  [`EHLO a\r\n${FORGED}`],
];

describe.each(WAYS)("a port without a declared protocol, through $way", ({ start }) => {
  it.each(ATTACKS.map((packets) => ({ packets })))(
    "delivers no unjudged request, and others are served: $packets",
    async ({ packets }) => {
      const way = await start((socket) => {
        socket.on("data", (chunk) => {
          if (chunk.includes("/honest")) socket.end(OK);
        });
      });
      const attacker = await dialRaw(cleanup, way.port);
      const ended = readUntilClosed(attacker);
      for (const packet of packets) {
        attacker.write(packet, "latin1");
        expect(await sendRaw(cleanup, way.port, HONEST)).toContain("200 OK");
      }
      await ended;
      expect(way.delivered()).not.toContain("forged");
      expect(way.delivered()).not.toMatch(/HTTP\/1\.1\r\n(?!host)/i);
      const reasons = new Set(way.sides.flatMap(({ recorder }) => recorder.faults));
      expect(reasons.size).toBe(1);
      for (const { http } of way.sides) http.closing.abort();
      const open = () => way.sides.filter(({ registry }) => registry.size > 0).length;
      await expect.poll(open).toBe(0);
    },
  );

  it("refuses a malformed request as HTTP instead of delivering it as a stream", async () => {
    const way = await start(() => undefined);
    expect(await sendRaw(cleanup, way.port, `GET\t/a\tHTTP/1.1\r\n${FORGED}`)).toMatch(/^HTTP\/1\.1 400 /);
    expect(way.delivered()).toBe("");
  });

  const LONG = JSON.stringify({ message: "GET / HTTP/1.1 ".repeat(3000) });
  it.each([
    { name: "a JSON line of 45 KB that quotes a request", text: `${LONG}\n` },
    { name: "NUL-ended text", text: `${LONG}\0` },
    { name: "text of 100 KB without an end", text: "word ".repeat(20_000) },
    { name: "one word of 100 KB", text: "w".repeat(100_000) },
    { name: "RTSP", text: "OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n" },
    { name: "SIP", text: "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c\r\n\r\n" },
    { name: "SIP with a method of HTTP", text: "OPTIONS sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP c\r\n\r\n" },
    { name: "ICAP", text: "OPTIONS icap://a/b ICAP/1.0\r\nHost: a\r\n\r\n" },
    { name: "SMTP", text: "EHLO a.example\r\nMAIL FROM:<a@b>\r\n" },
    { name: "POP3", text: "USER a\r\nLIST\r\n" },
    { name: "IMAP", text: "a1 LOGIN b c\r\na2 SEARCH ALL\r\n" },
    { name: "Redis, inline", text: "GET key\r\n" },
    { name: "memcached", text: "get key\r\n" },
    { name: "a log line", text: '10.0.0.1 - - [1/Jan] "GET /a HTTP/1.1" 200 5\n' },
    { name: "a word without a line end", text: "hello" },
    { name: "binary bytes", text: "\x02\0\xff\xfe\n\r\0" },
  ])("is a stream for $name: every byte is echoed, and nothing else", async ({ text }) => {
    const way = await start(echo);
    const client = await dialRaw(cleanup, way.port);
    client.write(text, "latin1");
    expect(await readUntil(client, text)).toBe(text);
    expect(way.sides.flatMap(({ recorder }) => recorder.faults)).toEqual([]);
  });
});

describe.each(["inbound", "outbound"] as const)("a port declared as HTTP, %s", (direction) => {
  async function startPort(onConnection: (socket: Socket) => void): Promise<number> {
    const applicationPort = await listen(cleanup, onConnection);
    const protocol = "http";
    if (direction === "inbound") {
      return (await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort, protocol })).port;
    }
    const destination = meshDestination([applicationPort], { mutualTls: false, overrides: { protocol } });
    return (await startOutboundSide(cleanup, { destination })).port;
  }

  it.each(["\0\0\0\x2a\0\x12\0\x03", "AMQP\0\0\x09\x01", '{"a":1}', "EHLO a.example\r\n", "*1\r\n$4\r\nPING\r\n"])(
    "refuses %j at once",
    async (bytes) => {
      const port = await startPort(() => undefined);
      expect(await sendRaw(cleanup, port, bytes)).toMatch(/^HTTP\/1\.1 400 /);
    },
  );

  it("accepts an unregistered method", async () => {
    const port = await startPort((socket) => socket.once("data", () => socket.end(OK)));
    expect(await sendRaw(cleanup, port, "LIST /v1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).toContain(
      "200 OK",
    );
  });
});
