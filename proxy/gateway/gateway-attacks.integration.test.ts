import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import type { LenientUpstream } from "../../net/lenient-upstream-fixture.ts";
import { sendRaw } from "../../net/raw-client-fixture.ts";
import { startLenientGateway } from "./gateway-fixture.ts";
import type { GatewayLimits } from "./gateway-limits.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start(limits: Partial<GatewayLimits> = {}) {
  return await startLenientGateway(cleanup, { limits });
}

const HOST = "Host: shop.example\r\n";
const LAST = `GET /last HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`;
const SMUGGLED = `GET /smuggled HTTP/1.1\r\n${HOST}\r\n`;

function linesOf(upstream: LenientUpstream): readonly string[] {
  return upstream.executed.map(({ line }) => line);
}

describe("a chunked request whose method http-proxy assumes to have no body (CVE-2026-29057)", () => {
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
    { name: "a Host with a path", request: get("Host: shop.example/admin\r\n") },
    { name: "a Host with a user", request: get("Host: admin@shop.example\r\n") },
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
    { name: "a space before a colon", request: get(`${HOST}Content-Length : 10\r\n`) },
    { name: "a folded header", request: get(`${HOST}X-A: b\r\n c\r\n`) },
    { name: "a bare LF", request: `GET /a HTTP/1.1\n${HOST}\n` },
  ])("$name is refused, and what follows it is not executed", async ({ request }) => {
    const { port, upstream, answers } = await start();
    const answer = await sendRaw(cleanup, port, request + SMUGGLED);
    expect(answer).toMatch(/^HTTP\/1\.1 (?:400|501|505) /);
    expect(answer.toLowerCase()).toContain("connection: close");
    expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    expect(linesOf(upstream)).toEqual([]);
    expect(answers).toEqual([expect.stringMatching(/^gateway (?:400|501|505) /)]);
  });

  it("that is refused does not disturb the requests before it", async () => {
    const { port, upstream } = await start();
    const first = `GET /first HTTP/1.1\r\n${HOST}\r\n`;
    const answer = await sendRaw(cleanup, port, `${first}GET /a HTTP/1.1\r\n${HOST}${HOST}\r\n${SMUGGLED}`);
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK.*served GET \/first HTTP\/1\.1HTTP\/1\.1 400 /s);
    expect(linesOf(upstream)).toEqual(["GET /first HTTP/1.1"]);
  });
});

describe("forms that are served in a safe form", () => {
  it("an absolute target that agrees with Host is forwarded in origin form", async () => {
    const { port, upstream } = await start();
    await sendRaw(cleanup, port, `GET http://SHOP.example/a?b HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
    expect(linesOf(upstream)).toEqual(["GET /a?b HTTP/1.1"]);
  });

  it("an absolute target for another host than Host is forwarded to the target's host", async () => {
    const { port, upstream } = await start();
    await sendRaw(
      cleanup,
      port,
      "GET http://shop.example/a HTTP/1.1\r\nHost: admin.example\r\nConnection: close\r\n\r\n",
    );
    expect(upstream.executed[0]?.head).toMatch(/^GET \/a HTTP\/1\.1\r\nhost: shop\.example\r\n/i);
    expect(upstream.executed[0]?.head).not.toContain("admin");
  });

  it("credentials that Connection names are dropped", async () => {
    const { port, upstream } = await start();
    await sendRaw(
      cleanup,
      port,
      `GET /a HTTP/1.1\r\n${HOST}Connection: close, Authorization\r\nAuthorization: x\r\n\r\n`,
    );
    expect(upstream.executed[0]?.head).not.toMatch(/authorization/i);
  });

  it("an upgrade with a body is served without an upgrade", async () => {
    const { port, upstream } = await start();
    const fields = `${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n`;
    await sendRaw(cleanup, port, `POST /a HTTP/1.1\r\n${fields}\r\nabc${LAST}`);
    expect(linesOf(upstream)).toEqual(["POST /a HTTP/1.1", "GET /last HTTP/1.1"]);
    expect(upstream.executed[0]?.head).not.toMatch(/upgrade/i);
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

  it("pipelined requests are served in order, one at a time", async () => {
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
    expect(answers).toEqual(["gateway 405 connect_refused"]);
  });
});

describe("an external client's identity claims", () => {
  it("do not reach the upstream", async () => {
    const { port, upstream } = await start();
    const claims = [
      "X-Forwarded-Client-Cert: By=spiffe://a;URI=spiffe://cluster.local/ns/admin/sa/root",
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
    expect(head).not.toMatch(/client.cert|x-envoy-(?!external-address: 127\.0\.0\.1\r)|forged/i);
    expect(head).toMatch(/x-b3-traceid: 12/i);
    expect(head).toMatch(/x-request-id: [0-9a-f]{8}-/);
    expect(head).toMatch(/x-forwarded-proto: http\r\n/);
  });

  it("keeps the forwarded addresses, with its own at the end", async () => {
    const { port, upstream } = await start();
    await sendRaw(cleanup, port, `GET /a HTTP/1.1\r\n${HOST}Connection: close\r\nX-Forwarded-For: 203.0.113.9\r\n\r\n`);
    expect(upstream.executed[0]?.head).toMatch(/x-forwarded-for: 203\.0\.113\.9, 127\.0\.0\.1\r\n/);
  });
});
