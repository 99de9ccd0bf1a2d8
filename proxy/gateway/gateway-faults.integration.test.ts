import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import type { HttpRoute } from "../../mesh/policy/routing/http-route.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { OK_REPLY, type Reply } from "../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, readUntilClosed, sendRaw } from "../../net/raw-client-fixture.ts";
import { startLenientGateway } from "./gateway-fixture.ts";
import type { GatewayOptions } from "./gateway-options.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

interface Start {
  readonly reply?: Reply;
  readonly options?: Partial<GatewayOptions>;
}

async function start(route: Partial<HttpRoute>, { reply = OK_REPLY, options = {} }: Start = {}) {
  return await startLenientGateway(cleanup, { route, reply, ...options });
}

function request(path: string, headers = "Connection: close\r\n", method = "GET"): string {
  return `${method} ${path} HTTP/1.1\r\nHost: shop.example\r\n${headers}\r\n`;
}

describe("a fault", () => {
  const delay = { fixedDelayMs: 5000, percentage: 100 };

  it("that aborts gives a local reply, and no request reaches an upstream", async () => {
    const { port, dialer, answers } = await start({ fault: { abort: { httpStatus: 418, percentage: 100 } } });
    const answer = await sendRaw(cleanup, port, request("/", "") + request("/"));
    expect(answer.match(/^HTTP\/1\.1 418 /gm)).toHaveLength(2);
    expect(answer).toContain("fault_abort");
    expect(dialer.dials).toEqual([]);
    expect(answers[0]).toBe("gateway 418 fault_abort");
  });

  it.each([204, 304])(
    "that aborts with %d has no body, so that the next response is parsed correctly",
    async (httpStatus) => {
      const { port } = await start({ fault: { abort: { httpStatus, percentage: 100 } } });
      const answer = await sendRaw(cleanup, port, request("/", "") + request("/"));
      expect(answer).not.toMatch(/content-length|fault_abort/i);
      expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(2);
    },
  );

  it("aborts the configured share of requests", async () => {
    const draws = [0.4, 0.6];
    const { port } = await start(
      { fault: { abort: { httpStatus: 503, percentage: 50 } } },
      { options: { random: () => draws.shift() ?? 0 } },
    );
    expect(await sendRaw(cleanup, port, request("/"))).toMatch(/^HTTP\/1\.1 503 /);
    expect(await sendRaw(cleanup, port, request("/"))).toMatch(/^HTTP\/1\.1 200 /);
  });

  it("that delays forwards the request later, with its body intact", async () => {
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

  it("that delays applies before an abort", async () => {
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

  it("that delays is cancelled when its client disconnects", async () => {
    const clock = new FakeClock();
    const { port, dialer } = await start({ fault: { delay } }, { options: { clock } });
    const client = await dialRaw(cleanup, port);
    client.write(request("/"));
    await expect.poll(() => clock.pendingTimers).toBe(1);
    client.resetAndDestroy();
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
    const connected = upstream.next("connection");
    client.write(`${request("/", "Content-Length: 2\r\n", "POST")}a`);
    await connected;
    await clock.advance(1000);
    const received = upstream.next("request");
    client.write("b");
    await received;
    await clock.advance(100);
    expect(await readUntil(client, "route_timeout")).toMatch(/^HTTP\/1\.1 504 /);
  });

  it("in the middle of a response does not make it look complete", async () => {
    const reply: Reply = () => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    const clock = new FakeClock();
    const { port, upstream } = await start({ timeoutMs: 100 }, { options: { clock }, reply });
    const client = await dialRaw(cleanup, port);
    client.write(request("/"));
    expect(await readUntil(client, "half")).toMatch(/^HTTP\/1\.1 200 /);
    await clock.advance(100);
    expect(await readUntilClosed(client)).toBe("");
    await expect.poll(() => upstream.connections).toBe(0);
  });

  it("that is not reached leaves nothing behind", async () => {
    const clock = new FakeClock();
    const { port } = await start({ timeoutMs: 100 }, { options: { clock } });
    expect(await sendRaw(cleanup, port, request("/"))).toMatch(/^HTTP\/1\.1 200 /);
    await expect.poll(() => clock.pendingTimers).toBe(0);
  });
});
