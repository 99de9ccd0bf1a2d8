import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock.ts";
import type { HeaderEdit, HttpRoute } from "../../mesh/policy/http-route.ts";
import { listenerOf, ROUTE_ALL, startTestGateway, type TestGateway } from "./gateway-fixture.ts";
import { type LenientUpstream, OK_REPLY, type Reply, startLenientUpstream } from "./lenient-upstream-fixture.ts";
import { Cleanup, dialRaw, readUntil, sendRaw } from "./raw-client-fixture.ts";
import type { GatewayOptions } from "./start-gateway.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

interface Start {
  readonly reply?: Reply;
  readonly options?: Partial<GatewayOptions>;
}

async function start(
  route: Partial<HttpRoute>,
  { reply = OK_REPLY, options = {} }: Start = {},
): Promise<TestGateway & { upstream: LenientUpstream }> {
  const upstream = await startLenientUpstream(cleanup, reply);
  const listeners = [listenerOf(0, [{ ...ROUTE_ALL, ...route }])];
  return { upstream, ...(await startTestGateway(cleanup, upstream.port, { listeners, ...options })) };
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
  it("shows the upstream its own path and host, and keeps query and slashes", async () => {
    const { port, upstream } = await start({
      matches: prefix("/shop/"),
      rewrite: { uri: "/", authority: "in.side:81" },
    });
    await sendRaw(cleanup, port, request("/shop/a//b/?q=/shop/"));
    expect(upstream.executed[0]?.line).toBe("GET /a//b/?q=/shop/ HTTP/1.1");
    expect(upstream.executed[0]?.head).toMatch(/\r\nhost: in\.side:81(?:\r\n|$)/i);
    expect(upstream.executed[0]?.head).not.toMatch(/shop\.example/i);
  });

  it("does so for a WebSocket too", async () => {
    const { port, upstream } = await start({ matches: prefix("/ws"), rewrite: { uri: "/chat" } });
    const client = await dialRaw(cleanup, port);
    client.write(request("/ws/1", OPENING));
    await readUntil(client, "served GET /chat/1");
    expect(upstream.executed[0]?.line).toBe("GET /chat/1 HTTP/1.1");
  });
});

describe("a route that redirects", () => {
  const redirect = { redirect: { uri: "/new", scheme: "https", code: 308 }, targets: [] } as const;

  it("answers by itself, and the connection goes on", async () => {
    const { port, dialer, answers } = await start(redirect);
    const answer = await sendRaw(cleanup, port, request("/old?a=1", "") + request("/"));
    expect(answer).toMatch(/^HTTP\/1\.1 308 Permanent Redirect\r\n/);
    expect(answer).toMatch(/\r\nlocation: https:\/\/shop\.example\/new\?a=1\r\n/i);
    expect(answer).toMatch(/\r\ncontent-length: 0\r\n/i);
    expect(answer.match(/^HTTP\/1\.1 308/gm)).toHaveLength(2);
    expect(dialer.dials).toEqual([]);
    expect(answers).toEqual(["gateway 308 redirect", "gateway 308 redirect"]);
  });

  it("lets nobody put a line of his own into the answer", async () => {
    const { port } = await start({ redirect: { authority: "b.example", code: 302 }, targets: [] });
    const answer = await sendRaw(cleanup, port, request("/%0d%0aSet-Cookie:a=b?\x7f", ""));
    expect(answer).not.toMatch(/^set-cookie/im);
  });

  it("has the route's own headers, and answers a WebSocket as well", async () => {
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

  it("change what the upstream gets", async () => {
    const { port, upstream } = await start({ headers });
    await sendRaw(
      cleanup,
      port,
      request("/", "X-Set: 1\r\nx-set: 2\r\nX-Add: 1\r\nX-Gone: 1\r\nX-Kept: 1\r\nConnection: close\r\n"),
    );
    const lines = upstream.executed[0]?.head.split("\r\n").filter((line) => line.startsWith("x-")) ?? [];
    expect(lines.filter((line) => !/^x-(?:forwarded|request)/.test(line)).sort()).toEqual([
      "x-add: 1",
      "x-add: route",
      "x-kept: 1",
      "x-set: route",
    ]);
  });

  it("change what the client gets", async () => {
    const { port } = await start({ headers }, { reply });
    const answer = await sendRaw(cleanup, port, request("/"));
    expect(answer).toMatch(/set-cookie: a=1\r\nset-cookie: b=2\r\nset-cookie: c=3\r\n/i);
    expect(answer.match(/^server: .*$/gim)).toEqual(["server: mesh"]);
    expect(answer).not.toMatch(/x-powered-by/i);
    expect(answer).toMatch(/\r\n\r\nhi$/);
  });

  it("change a WebSocket's head both ways", async () => {
    const switched: Reply = () =>
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nServer: old\r\n\r\n";
    const { port, upstream } = await start({ headers }, { reply: switched });
    const client = await dialRaw(cleanup, port);
    client.write(request("/ws", `${OPENING}X-Gone: 1\r\n`));
    const answer = await readUntil(client, "\r\n\r\n");
    expect(answer).toMatch(/^HTTP\/1\.1 101 .*server: mesh/is);
    expect(answer).toMatch(/upgrade: websocket/i);
    expect(upstream.executed[0]?.head).toMatch(/x-set: route/);
    expect(upstream.executed[0]?.head).not.toMatch(/x-gone/i);
  });

  it("of a target come after the route's", async () => {
    const own = { request: { ...NOTHING, set: [{ name: "x-set", value: "target" }] }, response: NOTHING };
    const targets = ROUTE_ALL.targets.map((target) => ({ ...target, headers: own, authority: "other.host" }));
    const { port, upstream } = await start({ headers, targets });
    await sendRaw(cleanup, port, request("/"));
    expect(upstream.executed[0]?.head).toMatch(/x-set: target/);
    expect(upstream.executed[0]?.head).toMatch(/host: other\.host/i);
  });
});

describe("a fault", () => {
  const delay = { fixedDelayMs: 5000, percentage: 100 };

  it("that aborts is the answer, and no upstream hears of it", async () => {
    const { port, dialer, answers } = await start({ fault: { abort: { httpStatus: 418, percentage: 100 } } });
    const answer = await sendRaw(cleanup, port, request("/", "") + request("/"));
    expect(answer.match(/^HTTP\/1\.1 418 /gm)).toHaveLength(2);
    expect(answer).toContain("fault_abort");
    expect(dialer.dials).toEqual([]);
    expect(answers[0]).toBe("gateway 418 fault_abort");
  });

  it.each([204, 304])(
    "that aborts with %d has no body, so that the next answer is read as such",
    async (httpStatus) => {
      const { port } = await start({ fault: { abort: { httpStatus, percentage: 100 } } });
      const answer = await sendRaw(cleanup, port, request("/", "") + request("/"));
      expect(answer).not.toContain("fault_abort");
      expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(2);
    },
  );

  it("aborts the part of requests that it is drawn for", async () => {
    const draws = [0.4, 0.6];
    const { port } = await start(
      { fault: { abort: { httpStatus: 503, percentage: 50 } } },
      { options: { random: () => draws.shift() ?? 0 } },
    );
    expect(await sendRaw(cleanup, port, request("/"))).toMatch(/^HTTP\/1\.1 503 /);
    expect(await sendRaw(cleanup, port, request("/"))).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("that delays lets the request go on later, its body unharmed", async () => {
    const clock = new FakeClock();
    const { port, dialer, upstream } = await start({ fault: { delay } }, { options: { clock } });
    const client = await dialRaw(cleanup, port);
    client.write(`${request("/", "Content-Length: 3\r\n", "POST")}abc`);
    await expect.poll(() => clock.pendingTimers).toBe(1);
    await clock.advance(4999);
    expect(dialer.dials).toEqual([]);
    await clock.advance(1);
    await readUntil(client, "served POST /");
    expect(upstream.executed[0]?.body).toBe("abc");
  });

  it("that delays an abort comes first", async () => {
    const clock = new FakeClock();
    const fault = { delay, abort: { httpStatus: 500, percentage: 100 } };
    const { port, answers } = await start({ fault }, { options: { clock } });
    const client = await dialRaw(cleanup, port);
    client.write(request("/"));
    await expect.poll(() => clock.pendingTimers).toBe(1);
    expect(answers).toEqual([]);
    await clock.advance(5000);
    expect(await readUntil(client, "fault_abort")).toMatch(/^HTTP\/1\.1 500 /);
  });

  it("that delays is forgotten with its client", async () => {
    const clock = new FakeClock();
    const { port, dialer } = await start({ fault: { delay } }, { options: { clock } });
    const client = await dialRaw(cleanup, port);
    client.write(request("/"));
    await expect.poll(() => clock.pendingTimers).toBe(1);
    client.destroy();
    await expect.poll(() => clock.pendingTimers).toBe(0);
    await clock.advance(5000);
    expect(dialer.dials).toEqual([]);
  });
});

describe("a route's timeout", () => {
  it("is a 504, and the request to the upstream ends", async () => {
    const { port, answers, upstream } = await start({ timeoutMs: 60 }, { reply: () => undefined });
    expect(await sendRaw(cleanup, port, request("/"))).toMatch(/^HTTP\/1\.1 504 .*route_timeout/s);
    expect(answers).toEqual(["gateway 504 route_timeout"]);
    await expect.poll(() => upstream.connections).toBe(0);
  });

  it("holds while the upstream is being dialled", async () => {
    const { port, dialer } = await start({ timeoutMs: 60 });
    dialer.hold = new Promise(() => undefined);
    expect(await sendRaw(cleanup, port, request("/"))).toMatch(/^HTTP\/1\.1 504 .*route_timeout/s);
  });

  it("counts from the end of the request", async () => {
    const clock = new FakeClock();
    const { port, upstream } = await start({ timeoutMs: 100 }, { options: { clock }, reply: () => undefined });
    const client = await dialRaw(cleanup, port);
    client.write(`${request("/", "Content-Length: 2\r\n", "POST")}a`);
    await expect.poll(() => clock.pendingTimers).toBe(1);
    await clock.advance(1000);
    const received = upstream.next("request");
    client.write("b");
    await received;
    await clock.advance(100);
    expect(await readUntil(client, "route_timeout")).toMatch(/^HTTP\/1\.1 504 /);
  });

  it("in the middle of an answer does not make it look complete", async () => {
    const reply: Reply = () => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    const { port, upstream } = await start({ timeoutMs: 100 }, { reply });
    const answer = await sendRaw(cleanup, port, request("/"));
    expect(answer).toMatch(/^HTTP\/1\.1 200 .*half$/s);
    await expect.poll(() => upstream.connections).toBe(0);
  });

  it("that is not reached leaves nothing behind", async () => {
    const clock = new FakeClock();
    const { port } = await start({ timeoutMs: 100 }, { options: { clock } });
    expect(await sendRaw(cleanup, port, request("/"))).toMatch(/^HTTP\/1\.1 200 /);
    await expect.poll(() => clock.pendingTimers).toBe(0);
  });
});
