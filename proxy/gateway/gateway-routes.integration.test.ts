import { createHash } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import type { Reply } from "../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, sendRaw } from "../../net/raw-client-fixture.ts";
import { listenerOf, ROUTE_ALL, startLenientGateway, TARGET, type TestGatewayOptions } from "./gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start(options: { reply?: Reply; listeners?: TestGatewayOptions } = {}) {
  return await startLenientGateway(cleanup, { reply: options.reply, ...options.listeners });
}

function get(path: string, host = "shop.example", extra = "Connection: close\r\n"): string {
  return `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${extra}\r\n`;
}

describe("the routing of a request", () => {
  it.each([
    { name: "the host of a VirtualService", host: "shop.example", status: "200" },
    { name: "the host with a port and in capitals", host: "SHOP.example:80", status: "200" },
    { name: "an unknown host", host: "other.example", status: "404" },
  ])("$name: $status", async ({ host, status }) => {
    const { port } = await start();
    expect(await sendRaw(cleanup, port, get("/", host))).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  });

  it("a path without a route is not found, and the upstream receives nothing", async () => {
    const route = {
      ...ROUTE_ALL,
      matches: [
        {
          uri: { kind: "prefix", value: "/api/" } as const,
          headers: [],
          withoutHeaders: [],
          queryParams: [],
          ignoreUriCase: false,
        },
      ],
    };
    const { port, upstream } = await start({ listeners: { listeners: [listenerOf(0, [route])] } });
    expect(await sendRaw(cleanup, port, get("/api/x"))).toMatch(/^HTTP\/1.1 200 /);
    expect(await sendRaw(cleanup, port, get("/admin"))).toMatch(/^HTTP\/1.1 404 /);
    expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /api/x HTTP/1.1"]);
  });

  it("a route that cannot be served gets 503 with the reason", async () => {
    const refused = { ...ROUTE_ALL, refusal: "VirtualService/test.default: redirect is not supported" };
    const { port } = await start({ listeners: { listeners: [listenerOf(0, [refused])] } });
    const answer = await sendRaw(cleanup, port, get("/"));
    expect(answer).toMatch(/^HTTP\/1.1 503 /);
  });

  it.each([
    { reason: "no_healthy_endpoint", status: "503" },
    { reason: "connect_failed", status: "503" },
    { reason: "unexpected_identity", status: "503" },
  ])("no connection to an upstream ($reason) is a $status that names the cause", async ({ reason, status }) => {
    const { port, dialer } = await start();
    dialer.failure = { reason, message: "hello.ns1 at 10.0.0.7:8080" };
    const answer = await sendRaw(cleanup, port, get("/"));
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(answer).toContain(reason);
    expect(answer).not.toContain("10.0.0.7");
  });

  it("the destination that is dialled is the route's", async () => {
    const { port, dialer } = await start();
    await sendRaw(cleanup, port, get("/"));
    expect(dialer.dials).toEqual([TARGET]);
  });
});

describe("connections to upstreams", () => {
  it("are kept for the next request, until the certificate is replaced", async () => {
    const { port, dialer, gateway, upstream } = await start();
    await sendRaw(cleanup, port, get("/1"));
    await sendRaw(cleanup, port, get("/2"));
    expect(dialer.dials.length).toBe(1);
    dialer.rotate();
    gateway.closeStaleUpstreams();
    await sendRaw(cleanup, port, get("/3"));
    expect(dialer.dials.length).toBe(2);
    expect(upstream.executed.length).toBe(3);
  });
});

/** RFC 6455, section 4.2.2: the server's proof that it accepts the upgrade. */
function acceptOf(key: string): string {
  return createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
}

describe("WebSocket", () => {
  const KEY = "dGhlIHNhbXBsZSBub25jZQ==";
  const OPENING = get(
    "/chat",
    "shop.example",
    `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${KEY}\r\n`,
  );

  it("is forwarded, and bytes flow in both directions afterwards", async () => {
    const { port } = await start({
      reply: (_request, socket) => {
        socket.on("data", (chunk: Buffer) => socket.write(`echo:${chunk.toString("latin1")}`));
        return `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(KEY)}\r\n\r\n`;
      },
    });
    const client = await dialRaw(cleanup, port);
    client.write(OPENING);
    const answer = await readUntil(client, "\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1.1 101 /);
    expect(answer.toLowerCase()).toContain(`sec-websocket-accept: ${acceptOf(KEY).toLowerCase()}`);
    client.write("frame");
    expect(await readUntil(client, "echo:frame")).toContain("echo:frame");
  });

  it("that the upstream refuses gets an ordinary response, and opens no tunnel", async () => {
    const { port, upstream } = await start({ reply: () => "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno" });
    const client = await dialRaw(cleanup, port);
    client.write(OPENING);
    expect(await readUntil(client, "no")).toMatch(/^HTTP\/1.1 403 /);
    client.write(get("/smuggled"));
    client.end();
    await new Promise((resolve) => client.once("close", resolve));
    expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /chat HTTP/1.1"]);
  });
});

describe("a configuration that changes", () => {
  it("is in force for the next request, on a port that stays open", async () => {
    const { port, setConfig } = await start();
    expect(await sendRaw(cleanup, port, get("/"))).toMatch(/^HTTP\/1.1 200 /);
    await setConfig([{ port: 0, virtualHosts: [{ hosts: ["new.example"], routes: [ROUTE_ALL] }] }]);
    expect(await sendRaw(cleanup, port, get("/"))).toMatch(/^HTTP\/1.1 404 /);
    expect(await sendRaw(cleanup, port, get("/", "new.example"))).toMatch(/^HTTP\/1.1 200 /);
  });
});
