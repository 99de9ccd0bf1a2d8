import { afterEach, describe, expect, it } from "vitest";
import type { HeaderEdit, HttpRoute } from "../../mesh/policy/routing/http-route.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { OK_REPLY, type Reply } from "../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, sendRaw } from "../../net/raw-client-fixture.ts";
import { ROUTE_ALL, startLenientGateway } from "./gateway-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start(route: Partial<HttpRoute>, reply: Reply = OK_REPLY) {
  return await startLenientGateway(cleanup, { route, reply });
}

function request(path: string, headers = "Connection: close\r\n", method = "GET"): string {
  return `${method} ${path} HTTP/1.1\r\nHost: shop.example\r\n${headers}\r\n`;
}

const NOTHING: HeaderEdit = { set: [], add: [], remove: [] };
const OPENING =
  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const prefix = (value: string) => [
  {
    uri: { kind: "prefix", value } as const,
    headers: [],
    withoutHeaders: [],
    queryParams: [],
    ignoreUriCase: false,
  },
];

describe("a route that rewrites", () => {
  it("sends the upstream its own path and host, and keeps query and slashes", async () => {
    const { port, upstream } = await start({
      matches: prefix("/shop/"),
      rewrite: { uri: "/", authority: "in.side:81" },
    });
    await sendRaw(cleanup, port, request("/shop/a//b/?q=/shop/"));
    expect(upstream.executed[0]?.line).toBe("GET /a//b/?q=/shop/ HTTP/1.1");
    expect(upstream.executed[0]?.head).toMatch(/\r\nhost: in\.side:81(?:\r\n|$)/i);
    expect(upstream.executed[0]?.head).not.toMatch(/shop\.example/i);
  });

  it("also rewrites a WebSocket upgrade", async () => {
    const { port, upstream } = await start({ matches: prefix("/ws"), rewrite: { uri: "/chat" } });
    const client = await dialRaw(cleanup, port);
    client.write(request("/ws/1", OPENING));
    await readUntil(client, "served GET /chat/1");
    expect(upstream.executed[0]?.line).toBe("GET /chat/1 HTTP/1.1");
  });
});

describe("a route that redirects", () => {
  const redirect = { redirect: { uri: "/new", scheme: "https", code: 308 }, targets: [] } as const;

  it("sends a local reply, and the connection stays open", async () => {
    const { port, dialer, answers } = await start(redirect);
    const answer = await sendRaw(cleanup, port, request("/old?a=1", "") + request("/"));
    expect(answer).toMatch(/^HTTP\/1\.1 308 Permanent Redirect\r\n/);
    expect(answer).toMatch(/\r\nlocation: https:\/\/shop\.example\/new\?a=1\r\n/i);
    expect(answer).toMatch(/\r\ncontent-length: 0\r\n/i);
    expect(answer.match(/^HTTP\/1\.1 308/gm)).toHaveLength(2);
    expect(dialer.dials).toEqual([]);
    expect(answers).toEqual(["gateway 308 redirect", "gateway 308 redirect"]);
  });

  it("does not let a client inject a line into the response", async () => {
    const { port } = await start({ redirect: { authority: "b.example", code: 302 }, targets: [] });
    const answer = await sendRaw(cleanup, port, request("/%0d%0aSet-Cookie:a=b?\x7f", ""));
    expect(answer).not.toMatch(/^set-cookie/im);
  });

  it("has the route's own headers, also for a WebSocket upgrade", async () => {
    const response = { ...NOTHING, set: [{ name: "cache-control", value: "no-store" }] };
    const { port } = await start({ ...redirect, headers: { request: NOTHING, response } });
    const client = await dialRaw(cleanup, port);
    client.write(request("/ws", OPENING));
    expect(await readUntil(client, "\r\n\r\n")).toMatch(/^HTTP\/1\.1 308 .*cache-control: no-store/is);
  });
});

describe("a route's header operations", () => {
  const headers = {
    request: {
      set: [{ name: "x-set", value: "route" }],
      add: [{ name: "x-add", value: "route" }],
      remove: ["x-gone"],
    },
    response: {
      set: [{ name: "server", value: "mesh" }],
      add: [{ name: "set-cookie", value: "c=3" }],
      remove: ["x-powered-by"],
    },
  };
  const reply: Reply = () =>
    "HTTP/1.1 200 OK\r\nServer: old\r\nX-Powered-By: x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nhi";

  it("change the upstream's request", async () => {
    const { port, upstream } = await start({ headers });
    await sendRaw(
      cleanup,
      port,
      request("/", "X-Set: 1\r\nx-set: 2\r\nX-Add: 1\r\nX-Gone: 1\r\nX-Kept: 1\r\nConnection: close\r\n"),
    );
    const lines = upstream.executed[0]?.head.split("\r\n").filter((line) => line.startsWith("x-")) ?? [];
    expect(lines.filter((line) => !/^x-(?:forwarded|request|envoy)/.test(line)).sort()).toEqual([
      "x-add: 1",
      "x-add: route",
      "x-kept: 1",
      "x-set: route",
    ]);
  });

  it("change the client's response", async () => {
    const { port } = await start({ headers }, reply);
    const answer = await sendRaw(cleanup, port, request("/"));
    expect(answer).toMatch(/set-cookie: a=1\r\nset-cookie: b=2\r\nset-cookie: c=3\r\n/i);
    expect(answer.match(/^server: .*$/gim)).toEqual(["server: mesh"]);
    expect(answer).not.toMatch(/x-powered-by/i);
    expect(answer).toMatch(/\r\n\r\nhi$/);
  });

  it("change a WebSocket's heads in both directions", async () => {
    const switched: Reply = () =>
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nServer: old\r\n\r\n";
    const { port, upstream } = await start({ headers }, switched);
    const client = await dialRaw(cleanup, port);
    client.write(request("/ws", `${OPENING}X-Gone: 1\r\n`));
    const answer = await readUntil(client, "\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 101 .*server: mesh/is);
    expect(answer).toMatch(/upgrade: websocket/i);
    expect(upstream.executed[0]?.head).toMatch(/x-set: route/);
    expect(upstream.executed[0]?.head).not.toMatch(/x-gone/i);
  });

  it("of a target apply after the route's", async () => {
    const own = { request: { ...NOTHING, set: [{ name: "x-set", value: "target" }] }, response: NOTHING };
    const targets = ROUTE_ALL.targets.map((target) => ({ ...target, headers: own, authority: "other.host" }));
    const { port, upstream } = await start({ headers, targets });
    await sendRaw(cleanup, port, request("/"));
    expect(upstream.executed[0]?.head).toMatch(/x-set: target/);
    expect(upstream.executed[0]?.head).toMatch(/host: other\.host/i);
  });
});
