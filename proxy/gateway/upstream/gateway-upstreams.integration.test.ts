import { createHash } from "node:crypto";
import { createServer as createHttpServer, type RequestListener } from "node:http";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { ask } from "../../../net/http-fixture.ts";
import { OK_REPLY, type Reply } from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw, listen, readUntil, readUntilClosed, sendRaw } from "../../../net/raw-client-fixture.ts";
import { formatRequest, startLenientGateway, startTestGateway, type TestGateway } from "../gateway-fixture.ts";
import type { GatewayOptions } from "../gateway-options.ts";
import { nextRequest } from "../requests/next-request-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start(reply: Reply = OK_REPLY, options: Partial<GatewayOptions> = {}) {
  return await startLenientGateway(cleanup, { reply, ...options });
}

async function startBefore(application: RequestListener): Promise<TestGateway> {
  return await startTestGateway(cleanup, await listen(cleanup, createHttpServer(application)));
}

const CLOSE = "Connection: close\r\n";

describe("a response", () => {
  it("has the upstream's status, headers and body, without hop-by-hop fields", async () => {
    const head = "HTTP/1.1 418 Short And Stout\r\nKeep-Alive: timeout=5\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1";
    const { port } = await start(() => `${head}\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 2\r\n\r\nhi`);
    const answer = await sendRaw(cleanup, port, formatRequest("/", { headers: CLOSE }));
    expect(answer).toMatch(/^HTTP\/1\.1 418 Short And Stout\r\n/);
    expect(answer).toMatch(/set-cookie: a=1\r\nset-cookie: b=2/i);
    expect(answer).toMatch(/\r\nconnection: close\r\n/i);
    expect(answer).not.toMatch(/x-hop|keep-alive/i);
    expect(answer).toMatch(/\r\n\r\nhi$/);
  });

  it("to HEAD has the headers and no body", async () => {
    const { port } = await start();
    const answer = await sendRaw(
      cleanup,
      port,
      formatRequest("/", { method: "HEAD" }) + formatRequest("/b", { headers: CLOSE }),
    );
    expect(answer).toMatch(/content-length: 22\r\n/i);
    expect(answer.match(/served GET/g)).toHaveLength(1);
    expect(answer).not.toContain("served HEAD");
  });

  it("in chunks arrives complete, also for HTTP/1.0", async () => {
    const { port } = await start(
      () => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    );
    expect((await ask(port, { headers: { host: "shop.example" } })).body).toBe("abcde");
    expect(await sendRaw(cleanup, port, formatRequest("/", { version: "1.0" }))).toMatch(/\r\n\r\nabcde$/);
  });

  it.each([
    { name: "keeps the connection on request", asked: "keep-alive", told: "keep-alive" },
    { name: "is the connection's last by default", asked: "x", told: "close" },
  ])("to HTTP/1.0 $name", async ({ asked, told }) => {
    const { port } = await start();
    const client = await dialRaw(cleanup, port);
    client.write(formatRequest("/", { version: "1.0", headers: `Connection: ${asked}\r\n` }));
    const answer = await readUntil(client, "served GET /");
    expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 200 .*\r\nconnection: ${told}\r\n`, "is"));
    if (told === "close") return void (await readUntilClosed(client));
    client.write(formatRequest("/again", { version: "1.0" }));
    await readUntil(client, "served GET /again");
  });

  it("arrives after early hints", async () => {
    const { port } = await start((...args) => `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK_REPLY(...args)}`);
    expect(await sendRaw(cleanup, port, formatRequest("/", { headers: CLOSE }))).toMatch(
      /^HTTP\/1\.1 103 .*HTTP\/1\.1 200 OK/s,
    );
  });

  it("of many megabytes arrives intact, as does a request of that size", async () => {
    const { port } = await startBefore((incoming, response) => incoming.pipe(response));
    const body = Buffer.alloc(12_000_000, "0123456789abcdef\n").toString();
    const answer = await ask(port, { method: "POST", headers: { host: "shop.example" }, body });
    expect(createHash("sha256").update(answer.body).digest("hex")).toBe(
      createHash("sha256").update(body).digest("hex"),
    );
  });
});

describe("a request", () => {
  it("keeps the empty segments of its path", async () => {
    const { port, upstream } = await start();
    await sendRaw(cleanup, port, formatRequest("//a///b/../c/?x=http://y//&z=?", { headers: CLOSE }));
    expect(upstream.executed[0]?.line).toBe("GET //a///c/?x=http://y//&z=? HTTP/1.1");
  });

  it("that waits for 100 Continue gets it, and the upstream gets only the body", async () => {
    const { port, upstream } = await start();
    const client = await dialRaw(cleanup, port);
    client.write(formatRequest("/", { method: "POST", headers: "Expect: 100-continue\r\nContent-Length: 3\r\n" }));
    await readUntil(client, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write("abc");
    await readUntil(client, "served POST /");
    expect(upstream.executed[0]?.body).toBe("abc");
    expect(upstream.executed[0]?.head).not.toMatch(/expect/i);
  });

  it.each(["200-ok", "100-continue-soon", "a=b"])(
    "that expects %s gets the upstream's response to that, and nothing before",
    async (expected) => {
      const reply: Reply = () => "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n";
      const { port, upstream, answers } = await start(reply);
      const headers = `Expect: ${expected}\r\nContent-Length: 3\r\n${CLOSE}`;
      const answer = await sendRaw(cleanup, port, formatRequest("/", { method: "POST", headers, body: "abc" }));
      expect(answer).toMatch(/^HTTP\/1\.1 417 /);
      expect(answers).toEqual(["upstream 417"]);
      expect(upstream.executed[0]?.head).toMatch(new RegExp(`expect: ${expected}`, "i"));
      expect(upstream.executed[0]?.body).toBe("abc");
    },
  );

  it("that will be refused gets no 100 Continue", async () => {
    const { port } = await start();
    const headers = "Expect: 100-continue\r\nContent-Length: 3\r\nHost: other.example\r\n";
    expect(await sendRaw(cleanup, port, formatRequest("/", { method: "POST", headers }))).toMatch(/^HTTP\/1\.1 400 /);
  });
});

describe("a client's connection", () => {
  it("outlives local replies", async () => {
    const { port, dialer } = await start();
    const client = await dialRaw(cleanup, port);
    client.write("GET / HTTP/1.1\r\nHost: other.example\r\n\r\n");
    expect(await readUntil(client, "no_host")).toMatch(/^HTTP\/1\.1 404 /);
    dialer.failure = { reason: "connect_failed", message: "" };
    let dial = (): void => undefined;
    dialer.hold = new Promise((resolve) => {
      dial = resolve;
    });
    const posted = nextRequest(port);
    client.write(formatRequest("/", { method: "POST", headers: "Content-Length: 3\r\n", body: "abc" }));
    const arriving = await posted;
    await expect.poll(() => arriving.complete).toBe(true);
    dial();
    expect(await readUntil(client, "connect_failed")).toMatch(/^HTTP\/1\.1 503 /);
    dialer.failure = undefined;
    client.write(formatRequest("/"));
    expect(await readUntil(client, "served GET /")).toMatch(/^HTTP\/1\.1 200 /);
  });
});

describe("an upstream that fails", () => {
  it.each([
    {
      name: "closes without a response",
      reply: (): string => "",
      close: true,
      status: "502 ",
      reason: "upstream_reset",
    },
    {
      name: "sends garbage",
      reply: (): string => "\x15\x03\x01 what\r\n\r\n",
      status: "502 ",
      reason: "upstream_malformed",
    },
    {
      name: "sends a folded header",
      reply: (): string => "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
      status: "502 ",
      reason: "upstream_malformed",
    },
    {
      name: "switches protocols without a request to",
      reply: (): string => "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
      status: "502 ",
      reason: "upstream_malformed",
    },
  ])("and $name is a $status$reason", async ({ reply, close, status, reason }) => {
    const { port, answers, upstream } = await start((_request, socket) => {
      if (close === true) socket.destroy();
      return reply();
    });
    const post = formatRequest("/", { method: "POST", headers: `Content-Length: 0\r\n${CLOSE}` });
    expect(await sendRaw(cleanup, port, post)).toMatch(new RegExp(`^HTTP/1\\.1 ${status}.*${reason}`, "s"));
    expect(answers).toEqual([`gateway ${status}${reason}`]);
    await expect.poll(() => upstream.connections).toBe(0);
  });

  it("to respond in time is a 504, and its connection is closed", async () => {
    const { port, answers, upstream } = await start(() => undefined, { limits: { upstreamIdleMs: 80 } });
    expect(await sendRaw(cleanup, port, formatRequest("/", { headers: CLOSE }))).toMatch(
      /^HTTP\/1\.1 504 .*upstream_timeout/s,
    );
    expect(answers).toEqual(["gateway 504 upstream_timeout"]);
    await expect.poll(() => upstream.connections).toBe(0);
  });

  it.each([
    { name: "a length", head: "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf" },
    { name: "chunks", head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n" },
  ])("in the middle of a response with $name does not make it look complete", async ({ head }) => {
    const { port } = await start((_request, socket) => {
      setImmediate(() => socket.end());
      return head;
    });
    const answer = await sendRaw(cleanup, port, formatRequest("/"));
    expect(answer).toMatch(/half/);
    expect(answer).not.toMatch(/0\r\n\r\n$/);
    await expect(ask(port, { headers: { host: "shop.example" } })).rejects.toThrow(/aborted|hang up|ECONNRESET/);
  });

  it.each([
    { name: "and closes", close: { connection: "close" } },
    { name: "and would accept the rest", close: {} },
  ])(
    "before it has read the complete request $name has its response forwarded, as the connection's last",
    async ({ close }) => {
      const { port } = await startBefore((_incoming, response) => response.writeHead(413, close).end("too much"));
      const head = formatRequest("/", { method: "POST", headers: "Content-Length: 1000000\r\n" });
      const answer = await sendRaw(cleanup, port, head + "x".repeat(100));
      expect(answer).toMatch(/^HTTP\/1\.1 413 .*connection: close.*too much/is);
    },
  );

  it("again and again does not fill the log", async () => {
    const { port, dialer, log, answers } = await start(OK_REPLY, { clock: new FakeClock() });
    dialer.failure = { reason: "connect_failed", message: "hello.ns1: ECONNREFUSED" };
    for (let index = 0; index < 30; index += 1) await sendRaw(cleanup, port, formatRequest("/", { headers: CLOSE }));
    const lines = log.lines.filter(({ level }) => level === "warn");
    expect(answers).toHaveLength(30);
    expect(lines.length).toBeLessThan(20);
    expect(lines[0]).toMatchObject({
      fields: { code: "connect_failed" },
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });
});
