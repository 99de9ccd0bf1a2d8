import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import type { RouteRetries } from "../../../mesh/policy/routing/http-route.ts";
import { parseRetryOn } from "../../../mesh/policy/routing/retry-on.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { OK_REPLY, type Reply } from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw, sendRaw } from "../../../net/raw-client-fixture.ts";
import { startLenientGateway } from "../gateway-fixture.ts";
import type { GatewayOptions } from "../gateway-options.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function retriesOf(retryOn: string, attempts = 2, more: Partial<RouteRetries> = {}): RouteRetries {
  return { attempts, retryOn: parseRetryOn(retryOn).retryOn, ...more };
}

async function start(retries?: RouteRetries, reply: Reply = OK_REPLY, options: Partial<GatewayOptions> = {}) {
  return await startLenientGateway(cleanup, { route: retries && { retries }, reply, ...options });
}

function request(method = "GET", headers = "", body = ""): string {
  return `${method} / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n${headers}\r\n${body}`;
}

/** The given replies first, then successful ones. `reset` closes the connection. */
function replies(...first: readonly (string | "reset")[]): Reply {
  const left = [...first];
  return (asked, socket) => {
    const next = left.shift();
    if (next === undefined) return OK_REPLY(asked, socket);
    if (next === "reset") {
      socket.destroy();
      return undefined;
    }
    return `HTTP/1.1 ${next} X\r\nContent-Length: 5\r\nX-Attempt: first\r\n\r\nfirst`;
  };
}

describe("a request is retried", () => {
  it.each([
    { name: "after a listed status", retries: retriesOf("503"), reply: replies("503"), tries: 2 },
    { name: "after a 5xx", retries: retriesOf("5xx"), reply: replies("500", "502"), tries: 3 },
    { name: "after a reset", retries: retriesOf("reset"), reply: replies("reset", "reset"), tries: 3 },
    { name: "after garbage", retries: retriesOf("reset"), reply: replies("garbage\x01"), tries: 2 },
  ])("$name, and the client receives only the last response", async ({ retries, reply, tries }) => {
    const { port, upstream, answers } = await start(retries, reply);
    const answer = await sendRaw(cleanup, port, request());
    expect(answer).toMatch(/^HTTP\/1\.1 200 .*served GET/s);
    expect(answer).not.toMatch(/x-try|first/i);
    expect(upstream.executed).toHaveLength(tries);
    expect(answers).toEqual(["upstream 200"]);
  });

  it("if no connection could be made, whatever the method", async () => {
    const { port, dialer, upstream } = await start(retriesOf("connect-failure"));
    dialer.failure = { reason: "connect_failed", message: "refused" };
    const dialed = dialer.dial.bind(dialer);
    dialer.dial = async (...args) => {
      const result = await dialed(...args);
      dialer.failure = undefined;
      return result;
    };
    expect(await sendRaw(cleanup, port, request("POST"))).toMatch(/^HTTP\/1\.1 200 /);
    expect(upstream.executed).toHaveLength(1);
    expect(dialer.dials).toHaveLength(2);
  });

  it("when an attempt takes too long, and the late response is discarded", async () => {
    const held: (() => void)[] = [];
    const reply: Reply = (asked, socket) => {
      if (held.length > 0) return OK_REPLY(asked, socket);
      held.push(() => socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate"));
      return undefined;
    };
    const clock = new FakeClock();
    const { port, upstream } = await start(retriesOf("reset", 1, { perTryTimeoutMs: 80 }), reply, { clock });
    const arrived = upstream.next("request");
    const answered = sendRaw(cleanup, port, request());
    await arrived;
    await clock.advance(80);
    const answer = await answered;
    await expect.poll(() => upstream.connections).toBe(1);
    held[0]?.();
    expect(answer).toMatch(/^HTTP\/1\.1 200 .*served GET/s);
    expect(answer).not.toContain("late");
    expect(upstream.executed).toHaveLength(2);
  });

  it("at most as often as the route allows; then the last response goes to the client", async () => {
    const { port, upstream } = await start(retriesOf("5xx", 2), replies("503", "503", "503", "503"));
    expect(await sendRaw(cleanup, port, request())).toMatch(/^HTTP\/1\.1 503 .*first$/s);
    expect(upstream.executed).toHaveLength(3);
  });

  it("at most as often as the route allows; then the last failure is returned", async () => {
    const { port, answers } = await start(retriesOf("reset", 1, { perTryTimeoutMs: 50 }), () => undefined);
    expect(await sendRaw(cleanup, port, request())).toMatch(/^HTTP\/1\.1 504 .*try_timeout/s);
    expect(answers).toEqual(["gateway 504 try_timeout"]);
  });

  it("many times without a warning from Node", async () => {
    const warnings: Error[] = [];
    const onWarning = (warning: Error): void => void warnings.push(warning);
    process.on("warning", onWarning);
    const { port, upstream } = await start(retriesOf("5xx", 14), replies(...Array.from({ length: 14 }, () => "503")));
    expect(await sendRaw(cleanup, port, request())).toMatch(/^HTTP\/1\.1 200 /);
    expect(upstream.executed).toHaveLength(15);
    process.off("warning", onWarning);
    expect(warnings).toEqual([]);
  });

  it("after a growing pause", async () => {
    const clock = new FakeClock();
    const { port, upstream } = await start(retriesOf("5xx", 2), replies("503", "503"), { clock, random: () => 0.8 });
    const answer = sendRaw(cleanup, port, request());
    await expect.poll(() => clock.pendingTimers).toBe(1);
    await clock.advance(19);
    expect(upstream.executed).toHaveLength(1);
    await clock.advance(1);
    await expect.poll(() => upstream.executed.length).toBe(2);
    await expect.poll(() => clock.pendingTimers).toBe(1);
    await clock.advance(40);
    expect(await answer).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe("a request is not retried", () => {
  it.each([
    { name: "without a policy", retries: undefined, sent: request(), status: "503" },
    { name: "with no attempts", retries: retriesOf("503", 0), sent: request(), status: "503" },
    { name: "after an unlisted status", retries: retriesOf("502"), sent: request(), status: "503" },
    { name: "that is not idempotent", retries: retriesOf("503"), sent: request("POST"), status: "503" },
    {
      name: "whose body is not buffered",
      retries: retriesOf("503"),
      sent: request("PUT", "Content-Length: 3\r\n", "abc"),
      status: "503",
    },
    {
      name: "whose body was chunked",
      retries: retriesOf("503"),
      sent: request("DELETE", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n"),
      status: "503",
    },
  ])("$name", async ({ retries, sent, status }) => {
    const { port, upstream } = await start(retries, replies("503"));
    expect(await sendRaw(cleanup, port, sent)).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(upstream.executed).toHaveLength(1);
  });

  it.each(["no_healthy_endpoint", "refused_destination", "no_svid"])(
    "if the outcome would be the same (%s)",
    async (reason) => {
      const { port, dialer } = await start(retriesOf("5xx"));
      dialer.failure = { reason, message: "" };
      expect(await sendRaw(cleanup, port, request())).toMatch(/^HTTP\/1\.1 503 /);
      expect(dialer.dials).toHaveLength(1);
    },
  );

  it("when its client has disconnected", async () => {
    const clock = new FakeClock();
    const { port, upstream } = await start(retriesOf("5xx"), replies("503"), { clock, random: () => 0.9 });
    const client = await dialRaw(cleanup, port);
    client.write(request());
    await expect.poll(() => clock.pendingTimers).toBe(1);
    client.resetAndDestroy();
    await expect.poll(() => clock.pendingTimers).toBe(0);
    await clock.advance(1000);
    expect(upstream.executed).toHaveLength(1);
  });
});

describe("a kept connection that has died", () => {
  it("costs none of the route's retries", async () => {
    const { port, upstream, answers } = await start(retriesOf("503", 1), (asked, socket) => {
      if (upstream.executed.length === 2) return void socket.destroy();
      if (upstream.executed.length === 3) return replies("503")(asked, socket);
      return OK_REPLY(asked, socket);
    });
    await sendRaw(cleanup, port, request());
    expect(await sendRaw(cleanup, port, request())).toMatch(/^HTTP\/1\.1 200 /);
    expect(upstream.executed).toHaveLength(4);
    expect(answers).toEqual(["upstream 200", "upstream 200"]);
  });
});
