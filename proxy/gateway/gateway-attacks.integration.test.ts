import { createServer } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import {
  Cleanup,
  dialRaw,
  type LenientUpstream,
  listen,
  readUntil,
  readUntilClosed,
  sendRaw,
  startLenientUpstream,
  startTestGateway,
  type TestGateway,
} from "./gateway-fixture.ts";
import type { GatewayLimits } from "./gateway-limits.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start(limits: Partial<GatewayLimits> = {}): Promise<TestGateway & { upstream: LenientUpstream }> {
  const upstream = await startLenientUpstream(cleanup);
  return { upstream, ...(await startTestGateway(cleanup, upstream.port, { limits })) };
}

const HOST = "Host: shop.example\r\n";
const LAST = `GET /last HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;
const SMUGGLED = `GET /smuggled HTTP/1.1\r\n${HOST}\r\n`;

function linesOf(upstream: LenientUpstream): readonly string[] {
  return upstream.executed.map(({ line }) => line);
}

describe("a chunked request whose method http-proxy believes to have no body (CVE-2026-29057)", () => {
  it.each(["DELETE", "OPTIONS"])("%s carries its body as chunks and smuggles nothing", async (method) => {
    const { port, upstream } = await start();
    const chunk = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`;
    const request = `${method} /a HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${chunk}`;
    const answer = await sendRaw(cleanup, port, request + LAST);
    expect(linesOf(upstream)).toEqual([`${method} /a HTTP/1.1`, "GET /last HTTP/1.1"]);
    expect(upstream.executed[0]?.body).toContain("/smuggled");
    expect(answer).toContain(`served ${method} /a`);
  });

  it("a DELETE with a length keeps it", async () => {
    const { port, upstream } = await start();
    const request = `DELETE /a HTTP/1.1\r\n${HOST}Content-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`;
    await sendRaw(cleanup, port, request + LAST);
    expect(linesOf(upstream)).toEqual(["DELETE /a HTTP/1.1", "GET /last HTTP/1.1"]);
  });
});

describe("a client that goes away", () => {
  it.each([
    { name: "while it waits for the answer", request: `GET /a HTTP/1.1\r\n${HOST}\r\n`, reply: () => undefined },
    {
      name: "in the middle of the answer",
      request: `GET /a HTTP/1.1\r\n${HOST}\r\n`,
      reply: () => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    },
  ])("$name takes its upstream's connection along", async ({ request, reply }) => {
    const upstream = await startLenientUpstream(cleanup, reply);
    const { port } = await startTestGateway(cleanup, upstream.port);
    const client = await dialRaw(cleanup, port);
    const arrived = upstream.next("request");
    client.write(request);
    await arrived;
    const closed = upstream.next("closed");
    client.destroy();
    await closed;
    expect(upstream.connections).toBe(0);
  });

  it("in the middle of its own body takes its upstream's connection along", async () => {
    const { port, upstream } = await start();
    const client = await dialRaw(cleanup, port);
    const connected = upstream.next("connection");
    client.write(`POST /a HTTP/1.1\r\n${HOST}Content-Length: 100\r\n\r\nhalf`);
    await connected;
    const closed = upstream.next("closed");
    client.destroy();
    await closed;
    expect(upstream.connections).toBe(0);
    expect(upstream.executed).toEqual([]);
  });

  it("while the upstream is dialled leaves a connection that is used again, not a lost one", async () => {
    const { port, upstream, dialer, gateway } = await start();
    let release: () => void = () => undefined;
    dialer.hold = new Promise((resolve) => {
      release = resolve;
    });
    const client = await dialRaw(cleanup, port);
    client.write(`GET /a HTTP/1.1\r\n${HOST}\r\n`);
    await expect.poll(() => dialer.dials.length).toBe(1);
    client.destroy();
    await expect.poll(() => gateway.listeners()[0]?.connections).toBe(0);
    const connected = upstream.next("connection");
    release();
    await connected;
    expect(await sendRaw(cleanup, port, LAST)).toContain("served GET /last");
    expect(dialer.dials).toHaveLength(1);
  });
});

describe("a request that two parsers may read differently", () => {
  const get = (headers: string, line = "GET /a HTTP/1.1"): string => `${line}\r\n${headers}\r\n`;
  it.each([
    {
      name: "Transfer-Encoding: gzip, chunked",
      request: `${get(`${HOST}Transfer-Encoding: gzip, chunked\r\n`)}0\r\n\r\n`,
    },
    {
      name: "Transfer-Encoding in HTTP/1.0",
      request: `${get(`${HOST}Transfer-Encoding: chunked\r\n`, "POST /a HTTP/1.0")}0\r\n\r\n`,
    },
    {
      name: "two Transfer-Encodings",
      request: `${get(`${HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n`)}0\r\n\r\n`,
    },
    {
      name: "Transfer-Encoding and Content-Length",
      request: `${get(`${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`, "POST /a HTTP/1.1")}0\r\n\r\n`,
    },
    {
      name: "two Content-Lengths",
      request: get(`${HOST}Content-Length: 0\r\nContent-Length: 0\r\n`, "POST /a HTTP/1.1"),
    },
    { name: "Content-Length: +0", request: get(`${HOST}Content-Length: +0\r\n`, "POST /a HTTP/1.1") },
    { name: "content_length", request: get(`${HOST}Content_Length: 10\r\n`) },
    { name: "two Hosts", request: get(`${HOST}${HOST}`) },
    { name: "two different Hosts", request: get(`${HOST}Host: admin.example\r\n`) },
    { name: "no Host", request: get("Accept: */*\r\n") },
    { name: "no Host in HTTP/1.0", request: get("", "GET /a HTTP/1.0") },
    { name: "a Host with a path", request: get("Host: shop.example/admin\r\n") },
    { name: "a Host with a user", request: get("Host: admin@shop.example\r\n") },
    { name: "an absolute target for another host", request: get(HOST, "GET http://admin.example/a HTTP/1.1") },
    { name: "an absolute target of another scheme", request: get(HOST, "GET https://shop.example/a HTTP/1.1") },
    { name: "a target in asterisk form", request: get(HOST, "OPTIONS * HTTP/1.1") },
    { name: "a target with a fragment", request: get(HOST, "GET /a#/b HTTP/1.1") },
    { name: "HTTP/2.0 in the request line", request: get(HOST, "GET /a HTTP/2.0") },
    { name: "HTTP/1.2 in the request line", request: get(HOST, "GET /a HTTP/1.2") },
    {
      name: "Connection: transfer-encoding",
      request: `${get(`${HOST}Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n`, "POST /a HTTP/1.1")}0\r\n\r\n`,
    },
    {
      name: "Connection: content-length",
      request: get(`${HOST}Connection: close, Content-Length\r\nContent-Length: 0\r\n`),
    },
    { name: "Connection: host", request: get(`${HOST}Connection: host\r\n`) },
    { name: "Connection: x-forwarded-client-cert", request: get(`${HOST}Connection: X-Forwarded-Client-Cert\r\n`) },
    { name: "Connection: authorization", request: get(`${HOST}Connection: authorization\r\n`) },
    { name: "a space before a colon", request: get(`${HOST}Content-Length : 10\r\n`) },
    { name: "a folded header", request: get(`${HOST}X-A: b\r\n c\r\n`) },
    { name: "a bare LF", request: `GET /a HTTP/1.1\n${HOST}\n` },
    {
      name: "a WebSocket's opening with a body",
      request: `${get(`${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n`)}abc`,
    },
    {
      name: "a WebSocket's opening by POST",
      request: get(`${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n`, "POST /a HTTP/1.1"),
    },
  ])("$name is refused, and what comes behind it is not carried out", async ({ request }) => {
    const { port, upstream, answers } = await start();
    const answer = await sendRaw(cleanup, port, request + SMUGGLED);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer.toLowerCase()).toContain("connection: close");
    expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    expect(linesOf(upstream)).toEqual([]);
    expect(answers).toEqual([expect.stringMatching(/^gateway 400 /)]);
  });

  it("that is refused does not disturb the requests before it", async () => {
    const { port, upstream } = await start();
    const first = `GET /first HTTP/1.1\r\n${HOST}\r\n`;
    const answer = await sendRaw(cleanup, port, `${first}GET /a HTTP/1.1\r\n${HOST}${HOST}\r\n${SMUGGLED}`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK.*served GET \/first HTTP\/1\.1HTTP\/1\.1 400 /s);
    expect(linesOf(upstream)).toEqual(["GET /first HTTP/1.1"]);
  });
});

describe("forms that are served, made harmless", () => {
  it("an absolute target that agrees with Host is forwarded in origin form", async () => {
    const { port, upstream } = await start();
    await sendRaw(cleanup, port, `GET http://SHOP.example/a?b HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    expect(linesOf(upstream)).toEqual(["GET /a?b HTTP/1.1"]);
  });

  it("Upgrade: h2c is dropped, and the request served as HTTP/1.1", async () => {
    const { port, upstream } = await start();
    const h2c = "Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n";
    const answer = await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}${h2c}\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(upstream.executed[0]?.head).not.toMatch(/upgrade|http2-settings/i);
  });

  it("a GET with a body keeps its framing", async () => {
    const { port, upstream } = await start();
    await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc${LAST}`);
    expect(upstream.executed.map(({ line, body }) => [line, body])).toEqual([
      ["GET /a HTTP/1.1", "abc"],
      ["GET /last HTTP/1.1", ""],
    ]);
  });

  it("headers that Connection names are dropped", async () => {
    const { port, upstream } = await start();
    await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}Connection: close, X-Hop\r\nX-Hop: 1\r\nX-Stay: 1\r\n\r\n`);
    expect(upstream.executed[0]?.head).not.toMatch(/x-hop/i);
    expect(upstream.executed[0]?.head).toMatch(/x-stay: 1/i);
  });

  it("pipelined requests are answered in order, one at a time", async () => {
    const { port, upstream } = await start();
    const requests = ["/1", "/2", "/3"].map((path) => `GET ${path} HTTP/1.1\r\n${HOST}\r\n`).join("");
    const answer = await sendRaw(cleanup, port, requests + LAST);
    expect(answer.match(/served GET \S+/g)).toEqual(["/1", "/2", "/3", "/last"].map((path) => `served GET ${path}`));
    expect(upstream.connections).toBe(1);
  });
});

describe("CONNECT", () => {
  it("is refused", async () => {
    const { port, upstream, answers } = await start();
    const answer = await sendRaw(
      cleanup,
      port,
      `CONNECT db.internal:5432 HTTP/1.1\r\nHost: db.internal:5432\r\n\r\n${SMUGGLED}`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 405 /);
    expect(upstream.executed).toEqual([]);
    expect(answers).toEqual(["gateway 405 connect"]);
  });
});

describe("what a stranger claims to be", () => {
  it("does not reach the upstream", async () => {
    const { port, upstream } = await start();
    const claims = [
      "X-Forwarded-Client-Cert: By=spiffe://a;URI=spiffe://cluster.local/ns/admin/sa/root",
      "x_forwarded_client_cert: forged",
      "X-Envoy-Peer-Metadata: forged",
      "X-Envoy-Peer-Metadata-Id: forged",
      "X-Envoy-Internal: true",
      "X-Envoy-Upstream-Rq-Timeout-Ms: 1",
      "X-Request-Id: forged",
      "X-Forwarded-Proto: https-forged",
      "X_Forwarded_For: forged",
      "Proxy-Authorization: forged",
    ].join("\r\n");
    await sendRaw(
      cleanup,
      port,
      `GET /a HTTP/1.1\r\n${HOST}Connection: close\r\n${claims}\r\nX-B3-TraceId: 12\r\n\r\n`,
    );
    const head = upstream.executed[0]?.head ?? "";
    expect(head).not.toMatch(/client.cert|x-envoy|forged/i);
    expect(head).toMatch(/x-b3-traceid: 12/i);
    expect(head).toMatch(/x-request-id: [0-9a-f]{8}-/);
    expect(head).toMatch(/x-forwarded-proto: http\r\n/);
  });

  it("keeps the addresses that it came by, with its own at the end", async () => {
    const { port, upstream } = await start();
    await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}Connection: close\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n`);
    expect(upstream.executed[0]?.head).toMatch(/x-forwarded-for: 203\.0\.113\.9, 127\.0\.0\.1\r\n/);
  });
});

describe("a client that is slow or asks for too much", () => {
  it("is cut when it says nothing", async () => {
    const { port } = await start({ headersTimeoutMs: 200 });
    expect(await readUntilClosed(await dialRaw(cleanup, port))).toMatch(/^HTTP\/1\.1 408 /);
  });

  it("is cut when its headers come drop by drop", async () => {
    const { port, upstream } = await start({ headersTimeoutMs: 200 });
    const client = await dialRaw(cleanup, port);
    client.write(`GET /a HTTP/1.1\r\n${HOST}`);
    const drip = setInterval(() => client.write("X-A: b\r\n"), 30);
    cleanup.add(() => clearInterval(drip));
    expect(await readUntilClosed(client)).toMatch(/^HTTP\/1\.1 408 /);
    expect(upstream.executed).toEqual([]);
  });

  it("is cut when its body comes to a halt", async () => {
    const { port, upstream, answers } = await start({ bodyIdleMs: 90 });
    const client = await dialRaw(cleanup, port);
    client.write(`POST /a HTTP/1.1\r\n${HOST}Content-Length: 10\r\n\r\nabc`);
    expect(await readUntilClosed(client)).toMatch(/^HTTP\/1\.1 408 /);
    await expect.poll(() => upstream.connections).toBe(0);
    expect(answers).toEqual(["gateway 408 body_timeout"]);
  });

  it("is not cut while its body moves, however long it takes", async () => {
    const { port, upstream } = await start({ bodyIdleMs: 150, headersTimeoutMs: 200 });
    const client = await dialRaw(cleanup, port);
    client.write(`POST /a HTTP/1.1\r\n${HOST}Content-Length: 20\r\nConnection: close\r\n\r\n`);
    let sent = 0;
    const drip = setInterval(() => {
      sent += 1;
      client.write("x");
      if (sent === 20) clearInterval(drip);
    }, 40);
    cleanup.add(() => clearInterval(drip));
    expect(await readUntilClosed(client)).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(upstream.executed[0]?.body).toBe("x".repeat(20));
  });

  it("is not blamed for an upstream that takes no more", async () => {
    const size = 8_000_000;
    const server = createServer((socket) => {
      socket.on("error", () => undefined);
      let received = 0;
      setTimeout(() => {
        socket.on("data", (chunk: Buffer) => {
          received += chunk.length;
          if (received > size) socket.end("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        });
      }, 400);
    });
    const { port } = await startTestGateway(cleanup, await listen(cleanup, server), { limits: { bodyIdleMs: 60 } });
    const body = "x".repeat(size);
    const request = `POST /a HTTP/1.1\r\n${HOST}Content-Length: ${size}\r\nConnection: close\r\n\r\n${body}`;
    expect(await sendRaw(cleanup, port, request)).toMatch(/^HTTP\/1\.1 200 OK/);
  });

  it.each([
    { name: "headers are too long", headers: `X-Long: ${"a".repeat(17_000)}\r\n` },
    { name: "headers are too many", headers: "X-A: b\r\n".repeat(101) },
  ])("gets 431 when its $name", async ({ headers }) => {
    const { port, upstream } = await start();
    expect(await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}${headers}\r\n`)).toMatch(/^HTTP\/1\.1 431 /);
    expect(upstream.executed).toEqual([]);
  });

  it("is told to come again after so many requests", async () => {
    const { port, upstream } = await start({ maxRequestsPerConnection: 2 });
    const answer = await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}\r\n`.repeat(5));
    expect(answer.match(/HTTP\/1\.1 200/g)).toHaveLength(2);
    expect(answer).toMatch(/connection: close/i);
    expect(upstream.executed).toHaveLength(2);
  });

  it("finds no room when there are too many connections", async () => {
    const { port } = await start({ maxConnections: 2 });
    const clients = [await dialRaw(cleanup, port), await dialRaw(cleanup, port)];
    const third = await dialRaw(cleanup, port);
    expect(await readUntilClosed(third)).toBe("");
    clients[0]?.write(`GET /a HTTP/1.1\r\n${HOST}\r\n`);
    await readUntil(clients[0] ?? third, "served GET /a");
  });

  it("is cut when it sends more requests ahead than anyone needs", async () => {
    const upstream = await startLenientUpstream(cleanup, () => undefined);
    const { port } = await startTestGateway(cleanup, upstream.port);
    const answer = await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}\r\n`.repeat(200));
    expect(answer).toBe("");
    expect(upstream.executed.length).toBeLessThanOrEqual(1);
  });

  it.each([
    { name: "a TLS hello", bytes: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" },
    { name: "zeros", bytes: "\0".repeat(300) },
    { name: "an HTTP/2 preface", bytes: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" },
  ])("gets 400 for $name, and others are served", async ({ bytes }) => {
    const { port } = await start();
    expect(await sendRaw(cleanup, port, bytes)).toMatch(/^HTTP\/1\.1 400 /);
    expect(await sendRaw(cleanup, port, LAST)).toContain("served GET /last");
  });
});
