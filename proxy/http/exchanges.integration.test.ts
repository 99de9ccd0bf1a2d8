import { once } from "node:events";
import { connect as connectHttp2, createServer as createHttp2Server } from "node:http2";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HttpRoute } from "../../mesh/policy/routing/http-route.ts";
import type { DeclaredProtocol, UpstreamHttpVersion } from "../../mesh/policy/types.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import {
  type LenientUpstream,
  OK_REPLY,
  type Reply,
  startLenientUpstream,
} from "../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, readUntilClosed } from "../../net/raw-client-fixture.ts";
import { type InboundSide, startInboundSide } from "../inbound-side-fixture.ts";
import { HELLO, meshDestination } from "../mesh-identities-fixture.ts";
import { type OutboundSide, startOutboundSide } from "../outbound-side-fixture.ts";
import { listen } from "../raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const GET = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST = "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

interface Path {
  readonly upstream: LenientUpstream;
  readonly inbound: InboundSide;
  readonly outbound: OutboundSide;
  readonly port: number;
}

interface PathOptions {
  readonly reply?: Reply;
  /** @default http */
  readonly protocol?: DeclaredProtocol | "undeclared";
  readonly routes?: readonly HttpRoute[];
}

/** Between the two sidecars. */
let hopVersion: UpstreamHttpVersion = "1.1";

/** A raw application behind two sidecars. */
async function startPath(options: PathOptions = {}): Promise<Path> {
  const upstream = await startLenientUpstream(cleanup, options.reply);
  const declared = options.protocol === "undeclared" ? undefined : (options.protocol ?? "http");
  const inbound = await startInboundSide(cleanup, {
    mode: "STRICT",
    applicationPort: upstream.port,
    ...(declared === undefined ? {} : { protocol: declared }),
  });
  const destination = meshDestination([inbound.port], {
    overrides: {
      protocol: declared,
      routes: options.routes ?? [],
      connectionPool: { httpVersion: hopVersion },
    },
  });
  const outbound = await startOutboundSide(cleanup, { destination });
  return { upstream, inbound, outbound, port: outbound.port };
}

async function ask(port: number, text: string): Promise<string> {
  const client = await dialRaw(cleanup, port);
  client.write(text, "latin1");
  return await readUntilClosed(client);
}

describe.each<UpstreamHttpVersion>(["1.1", "2"])("with HTTP/%s between the sidecars", (version) => {
  beforeEach(() => {
    hopVersion = version;
  });

  describe("requests on one connection", () => {
    it("are handled in order when they arrive at once", async () => {
      const { port } = await startPath();
      const paths = Array.from({ length: 50 }, (_, index) => `/${index}`);
      const requests = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join("");
      const answer = await ask(port, requests + LAST);
      expect([...answer.matchAll(/served GET (\S+) /g)].map(([, path]) => path)).toEqual([...paths, "/last"]);
    });

    it("are also handled when the client has half-closed after them", async () => {
      const { port } = await startPath();
      const client = await dialRaw(cleanup, port);
      client.end(GET + GET);
      expect((await readUntilClosed(client)).match(/served GET/g)).toHaveLength(2);
    });

    it("leave no connection and no deadline behind", async () => {
      const { port, outbound, inbound } = await startPath();
      await Promise.all(Array.from({ length: 32 }, () => ask(port, GET.repeat(20) + LAST)));
      outbound.http.closing.abort();
      inbound.http.closing.abort();
      await expect.poll(() => [inbound.registry.size, outbound.registry.size], { timeout: 8000 }).toEqual([0, 0]);
      const deadlines = () => [inbound.http.context.deadlines.size, outbound.http.context.deadlines.size];
      await expect.poll(deadlines, { timeout: 8000 }).toEqual([0, 0]);
      expect(inbound.http.counted).toHaveLength(32 * 21);
    });
  });

  describe("hop-by-hop fields", () => {
    it("stay on their hop, and everything else is forwarded unchanged", async () => {
      const { port, upstream } = await startPath({
        reply: () =>
          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nKeep-Alive: timeout=9\r\nConnection: keep-alive, X-Own\r\nX-Own: 1\r\nX-Kept: 2\r\n\r\n",
      });
      const fields =
        "Connection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nX-B3-TraceId: abc\r\ntraceparent: 00-a\r\n";
      const answer = await ask(port, `GET /a HTTP/1.1\r\nHost: a\r\n${fields}X-Request-Id: mine\r\n\r\n`);
      expect(answer).toMatch(/X-Kept: 2/i);
      expect(answer).not.toMatch(/X-Own|Keep-Alive/i);
      const head = upstream.executed[0]?.head ?? "";
      expect(head).toMatch(/X-B3-TraceId: abc\r\ntraceparent: 00-a\r\nX-Request-Id: mine/i);
      // HTTP/2 has `te: trailers`, which says what its sender can take: it goes on, as an option of the next hop.
      expect(head).not.toMatch(version === "2" ? /X-Hop|Keep-Alive/i : /X-Hop|Keep-Alive|TE:|Connection/i);
    });
  });

  describe("interim and special responses", () => {
    it("100 and 103 are forwarded before the response", async () => {
      const { port } = await startPath({
        reply: (request, socket) =>
          `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${OK_REPLY(request, socket)}`,
      });
      const answer = await ask(port, LAST);
      expect(answer.match(/HTTP\/1\.1 (?:100|103|200)/g)).toEqual(["HTTP/1.1 100", "HTTP/1.1 103", "HTTP/1.1 200"]);
    });

    it("an expectation other than 100-continue is left to the server", async () => {
      const { port, upstream } = await startPath({
        reply: () => "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n",
      });
      const request = "POST /a HTTP/1.1\r\nHost: a\r\nExpect: foo\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
      expect(await ask(port, request)).toMatch(/^HTTP\/1\.1 417 Expectation Failed\r\n/);
      expect(upstream.executed[0]?.head).toMatch(/\r\nExpect: foo\r\n/i);
      expect(upstream.executed[0]?.body).toBe("abc");
    });

    it("a 204 with a content length ends with its head, for client and proxy alike (RFC 9110 §8.6)", async () => {
      const { port } = await startPath({
        reply: (request, socket) =>
          request.line.includes("/a") ? "HTTP/1.1 204 No\r\nContent-Length: 4\r\n\r\n" : OK_REPLY(request, socket),
      });
      expect(await ask(port, GET + LAST)).toMatch(/^HTTP\/1\.1 204 No(?: Content)?\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
    });

    it("a response without a length ends with the client's connection, or with its chunks", async () => {
      const { port } = await startPath({
        reply: (_request, socket) => {
          socket.end("HTTP/1.1 200 OK\r\n\r\nall of it");
          return undefined;
        },
      });
      const client = await dialRaw(cleanup, port);
      client.write(GET);
      const answer = await readUntil(client, version === "2" ? "0\r\n\r\n" : "all of it");
      expect(answer).toMatch(
        version === "2"
          ? /transfer-encoding: chunked\r\n\r\n9\r\nall of it\r\n0\r\n\r\n$/
          : /connection: close\r\n\r\nall of it$/,
      );
      if (version === "1.1") await readUntilClosed(client);
    });

    it("an upgrade becomes a tunnel after the 101, including bytes that came right after it", async () => {
      const { port } = await startPath({
        reply: (_request, socket) => {
          socket.on("data", (chunk: Buffer) => socket.write(`echo ${chunk}`));
          return "HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello";
        },
      });
      const client = await dialRaw(cleanup, port);
      client.write("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
      expect(await readUntil(client, "hello")).toMatch(/^HTTP\/1\.1 101 [\s\S]*upgrade: websocket/i);
      client.write("frame");
      await readUntil(client, "echo frame");
    });
  });

  describe("upstreams that fail", () => {
    it.each([
      { name: "GET is retried when a reused connection died", method: "GET", answer: /200 OK/ },
      { name: "POST is not: 503", method: "POST", answer: /503 [\s\S]*upstream reset/ },
    ])("$name", async ({ method, answer }) => {
      let served = 0;
      const upstream = await startLenientUpstream(cleanup, (request, socket) => {
        served += 1;
        if (served !== 2) return OK_REPLY(request, socket);
        socket.destroy();
        return undefined;
      });
      const destination = meshDestination([upstream.port], { mutualTls: false, overrides: { protocol: "http" } });
      const { port, http } = await startOutboundSide(cleanup, { destination });
      await ask(port, LAST);
      const second = await ask(
        port,
        `${method} /b HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`,
      );
      expect(second).toMatch(answer);
      expect(http.counted.map(({ flags }) => flags)).toEqual(method === "GET" ? ["-", "-"] : ["-", "UC"]);
    });

    it("another endpoint is used when one cannot be reached, and no request fails", async () => {
      const upstream = await startLenientUpstream(cleanup);
      const destination = meshDestination([1, upstream.port], { mutualTls: false, overrides: { protocol: "http" } });
      const { port, http } = await startOutboundSide(cleanup, { destination });
      for (let index = 0; index < 10; index += 1) expect(await ask(port, LAST)).toMatch(/200 OK/);
      expect(http.counted.every(({ status }) => status === 200)).toBe(true);
    });

    it("no endpoint: 503 with the reason and the flag", async () => {
      const { port, http } = await startOutboundSide(cleanup, {
        destination: meshDestination([], { overrides: { protocol: "http" } }),
      });
      expect(await ask(port, LAST)).toMatch(/503 [\s\S]*no healthy endpoint: world\.ns2/);
      expect(http.counted).toMatchObject([{ status: 503, flags: "UH" }]);
    });

    it("a server with another identity: 503, and nothing was sent to it", async () => {
      const upstream = await startLenientUpstream(cleanup);
      const inbound = await startInboundSide(cleanup, {
        mode: "STRICT",
        applicationPort: upstream.port,
        protocol: "http",
      });
      const destination = meshDestination([inbound.port], { identities: [HELLO], overrides: { protocol: "http" } });
      const { port, http } = await startOutboundSide(cleanup, { destination });
      expect(await ask(port, LAST)).toMatch(/503 [\s\S]*mTLS refused: /);
      expect(http.counted).toMatchObject([{ status: 503, flags: "UF" }]);
      expect(upstream.executed).toEqual([]);
    });

    it("a client that disconnects in mid-body aborts the upstream's connection, which is not reused", async () => {
      const { port, upstream, outbound } = await startPath();
      const client = await dialRaw(cleanup, port);
      const connected = upstream.next("connection");
      client.write("POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhalf");
      await connected;
      const closed = upstream.next("closed");
      client.resetAndDestroy();
      await closed;
      await expect.poll(() => outbound.http.counted).toMatchObject([{ flags: "DC", status: 0 }]);
      expect(upstream.executed).toEqual([]);
    });
  });

  describe("routes of the mesh", () => {
    const target = { kind: "host", host: "other.ns2.svc.cluster.local", port: 80, subset: "" } as const;
    const route = (more: Partial<HttpRoute>): HttpRoute => ({
      name: "VirtualService/v.ns1[0]",
      matches: [],
      targets: [{ target, weight: 100 }],
      refusal: "",
      ...more,
    });
    const NO_EDIT = { set: [], add: [], remove: [] };

    it("rewrite the path and the fields", async () => {
      const headers = {
        request: { ...NO_EDIT, set: [{ name: "x-set", value: "1" }], remove: ["x-gone"] },
        response: { ...NO_EDIT, add: [{ name: "x-added", value: "2" }] },
      };
      const { port, upstream } = await startPath({ routes: [route({ rewrite: { uri: "/new" }, headers })] });
      const answer = await ask(
        port,
        "GET /old HTTP/1.1\r\nHost: a\r\nX-Gone: 1\r\nX-Set: 0\r\nConnection: close\r\n\r\n",
      );
      expect(answer).toContain("x-added: 2");
      expect(upstream.executed[0]?.line).toMatch(/^GET \/new/);
      expect(upstream.executed[0]?.head).toMatch(/x-set: 1/);
      expect(upstream.executed[0]?.head).not.toMatch(/X-Gone|X-Set: 0/);
    });

    it.each([
      {
        name: "redirect",
        more: { targets: [], redirect: { uri: "/there", code: 302 as const } },
        answer: /302 [\s\S]*location: \S*\/there/,
      },
      { name: "abort", more: { fault: { abort: { httpStatus: 418, percentage: 100 } } }, answer: /^HTTP\/1\.1 418 / },
      {
        name: "refuse by name",
        more: { refusal: "mirror is not supported" },
        answer: /503 [\s\S]*mirror is not supported/,
      },
      {
        name: "have no match for it",
        more: {
          matches: [
            {
              uri: { kind: "exact" as const, value: "/x" },
              headers: [],
              withoutHeaders: [],
              queryParams: [],
              ignoreUriCase: false,
            },
          ],
        },
        answer: /^HTTP\/1\.1 404 /,
      },
    ])("send a local reply if they $name", async ({ more, answer }) => {
      const { port, upstream } = await startPath({ routes: [route(more)] });
      expect(await ask(port, LAST)).toMatch(answer);
      expect(upstream.executed).toEqual([]);
    });

    it("end a request that takes too long with 504", async () => {
      const { port } = await startPath({ reply: () => undefined, routes: [route({ timeoutMs: 50 })] });
      expect(await ask(port, LAST)).toMatch(/504 [\s\S]*upstream timeout/);
    });

    it.each([
      {
        name: "delayed and aborted",
        more: {
          fault: { delay: { fixedDelayMs: 1, percentage: 100 }, abort: { httpStatus: 418, percentage: 100 } },
        },
        counted: { status: 418, flags: "DI,FI" },
      },
      {
        name: "delayed and served",
        more: { fault: { delay: { fixedDelayMs: 1, percentage: 100 } } },
        counted: { status: 503, flags: "DI" },
      },
      {
        name: "retried in vain",
        more: { retries: { attempts: 1, retryOn: { conditions: ["5xx" as const], statuses: [] } } },
        counted: { status: 503, flags: "URX" },
      },
      {
        name: "never retried",
        more: { retries: { attempts: 1, retryOn: { conditions: ["reset" as const], statuses: [] } } },
        counted: { status: 503, flags: "-" },
      },
    ])("mark in metrics and log that a request was $name", async ({ more, counted }) => {
      const { port, outbound } = await startPath({
        reply: () => "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n",
        routes: [route(more)],
      });
      await ask(port, LAST);
      expect(outbound.http.counted).toMatchObject([counted]);
      expect(outbound.http.logged).toMatchObject([counted]);
    });

    it("retry a request with its body if the policy allows it", async () => {
      let tries = 0;
      const { port, upstream } = await startPath({
        reply: (request, socket) => {
          tries += 1;
          return tries < 3 ? "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n" : OK_REPLY(request, socket);
        },
        routes: [route({ retries: { attempts: 3, retryOn: { conditions: ["5xx"], statuses: [] } } })],
      });
      expect(
        await ask(port, "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody"),
      ).toMatch(/200 OK/);
      expect(upstream.executed.map(({ body }) => body)).toEqual(["body", "body", "body"]);
    });
  });

  describe("protocols", () => {
    it("HTTP is recognised on an undeclared port", async () => {
      const { port, upstream, outbound, inbound } = await startPath({ protocol: "undeclared" });
      expect(await ask(port, LAST)).toMatch(/200 OK/);
      expect(upstream.executed[0]?.head).toMatch(/x-forwarded-client-cert: By=/);
      expect([outbound.http.counted.length, inbound.http.counted.length]).toEqual([1, 1]);
    });

    it("a request line that comes byte by byte does not get a forged identity through", async () => {
      const { port, upstream } = await startPath({ protocol: "undeclared" });
      const client = await dialRaw(cleanup, port);
      for (const byte of "GET /slow HTTP/1.1\r\n") {
        client.write(byte);
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
      client.write("Host: a\r\nX-Forwarded-Client-Cert: URI=forged\r\nConnection: close\r\n\r\n");
      await readUntilClosed(client);
      expect(upstream.executed.some(({ head }) => head.includes("forged"))).toBe(false);
    });

    it("HTTP/2 with prior knowledge reaches an HTTP/1.1 application on a port that is http", async () => {
      const { port, upstream } = await startPath({ protocol: "http" });
      expect(await askHttp2(port)).toContain("served GET /x HTTP/1.1");
      expect(upstream.executed).toHaveLength(1);
    });

    it("HTTP/2 with prior knowledge is relayed on a port that is undeclared", async () => {
      const server = createHttp2Server((request, response) => response.end(`h2 ${request.url}`));
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      cleanup.add(() => server.close());
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("no port");
      const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort: address.port });
      const { port } = await startOutboundSide(cleanup, { destination: meshDestination([inbound.port]) });
      expect(await askHttp2(port)).toBe("h2 /x");
    });

    it("a server that speaks first is forwarded at once on an undeclared port", async () => {
      const applicationPort = await listen(cleanup, (socket: Socket) => socket.write("220 ready\r\n"));
      const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort });
      const { port } = await startOutboundSide(cleanup, { destination: meshDestination([inbound.port]) });
      await readUntil(await dialRaw(cleanup, port), "220 ready");
    });

    it("a text protocol without line ends is relayed", async () => {
      const applicationPort = await listen(cleanup, (socket: Socket) => void socket.pipe(socket));
      const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort });
      const { port } = await startOutboundSide(cleanup, { destination: meshDestination([inbound.port]) });
      const client = await dialRaw(cleanup, port);
      client.write("hello");
      await readUntil(client, "hello");
    });
  });

  /** The content of a response to a client of HTTP/2. */
  async function askHttp2(port: number): Promise<string> {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    cleanup.add(() => session.destroy());
    const stream = session.request({ ":path": "/x" });
    stream.setEncoding("utf8");
    let text = "";
    stream.on("data", (chunk: string) => {
      text += chunk;
    });
    await once(stream, "end");
    return text;
  }

  describe("limits", () => {
    it("a head that takes too long gets 408", async () => {
      const upstream = await startLenientUpstream(cleanup);
      const destination = meshDestination([upstream.port], { mutualTls: false, overrides: { protocol: "http" } });
      const { port } = await startOutboundSide(cleanup, { destination, http: { limits: { headTimeoutMs: 100 } } });
      expect(await ask(port, "GET / HTTP/1.1\r\nHos")).toMatch(/^HTTP\/1\.1 408 /);
    });

    it("a client that does not read pauses its upstream, and gets everything eventually", async () => {
      // The kernel holds up to 10 MB for each of the three hops, in each direction.
      const size = 160_000_000;
      let written = 0;
      const server = createServer((socket) => {
        socket.on("error", () => undefined);
        socket.once("data", () => {
          socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`);
          const piece = Buffer.alloc(64_000, "x");
          const pump = (): void => {
            while (written < size && socket.write(piece)) written += piece.length;
            if (written >= size) return;
            written += piece.length;
            socket.once("drain", pump);
          };
          pump();
        });
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      cleanup.add(() => server.close());
      const address = server.address();
      if (address === null || typeof address === "string") throw new Error("no port");
      const inbound = await startInboundSide(cleanup, {
        mode: "STRICT",
        applicationPort: address.port,
        protocol: "http",
      });
      const { port } = await startOutboundSide(cleanup, {
        destination: meshDestination([inbound.port], {
          overrides: { protocol: "http", connectionPool: { httpVersion: version } },
        }),
      });
      const client = connect({ port, host: "127.0.0.1" });
      cleanup.addSocket(client);
      client.write(GET);
      client.pause();
      let before = -1;
      const hasStopped = (): boolean => {
        const isStill = before === written;
        before = written;
        return isStill;
      };
      await expect.poll(hasStopped, { interval: 300, timeout: 15_000 }).toBe(true);
      expect(written).toBeLessThan(size / 2);
      let read = 0;
      client.on("data", (chunk: Buffer) => {
        read += chunk.length;
      });
      client.resume();
      await expect.poll(() => read, { timeout: 30_000 }).toBeGreaterThan(size);
    }, 60_000);
  });
});
