/**
 * For tests: what a client may expect of every proxy. What the sidecar can, the gateway can, and the other way round.
 */
import { describe, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { OK_REPLY, type Reply } from "../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, readUntilClosed } from "../../net/raw-client-fixture.ts";
import type { HttpPath } from "./http-path-fixture.ts";

const HOST = "Host: shop.example\r\n";
const LAST = `${HOST}Connection: close\r\n`;

interface Capability {
  readonly name: string;
  /** Of one client; it ends its side behind them where the last of them does not end the connection. */
  readonly bytes: string;
  readonly reply?: Reply;
  /** All that the client gets. */
  readonly answer: RegExp;
  /** The requests that the upstream gets, and how each begins. */
  readonly arrives: readonly RegExp[];
}

function get(path: string, fields = HOST, version = "1.1"): string {
  return `GET ${path} HTTP/${version}\r\n${fields}\r\n`;
}

function ok(line: string): RegExp {
  return new RegExp(`^HTTP/1\\.1 200 OK\r\n.*\r\n\r\nserved ${line}$`, "s");
}

function field(bytes: number): string {
  return `X-Long: ${"a".repeat(bytes)}\r\n`;
}

/** One row for each; `arrives` and `answer` hold on every path. */
const CAPABILITIES: readonly Capability[] = [
  {
    name: "a client that ends its side behind its request gets its answer",
    bytes: get("/a"),
    answer: ok("GET /a HTTP/1.1"),
    arrives: [/^GET \/a /],
  },
  {
    name: "a client that ends its side behind a body gets its answer",
    bytes: `POST /a HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`,
    answer: ok("POST /a HTTP/1.1"),
    arrives: [/^POST \/a .*\r\n\r\nabc$/s],
  },
  {
    name: "a client that ends its side behind three requests gets three answers",
    bytes: get("/1") + get("/2") + get("/3"),
    answer: /served GET \/1 .*served GET \/2 .*served GET \/3 HTTP\/1\.1$/s,
    arrives: [/^GET \/1 /, /^GET \/2 /, /^GET \/3 /],
  },
  ...["LIST", "VERSION-CONTROL", "M-SEARCH", "X!1"].map((method) => ({
    name: `the method ${method} arrives`,
    bytes: `${method} /v1 HTTP/1.1\r\n${HOST}Content-Length: 3\r\nConnection: close\r\n\r\nabc`,
    answer: /^HTTP\/1\.1 200 OK/,
    arrives: [new RegExp(`^${method.replace("!", "\\!")} /v1 HTTP/1\\.1\r\n.*\r\n\r\nabc$`, "s")],
  })),
  {
    name: "a method in lower case arrives as it is",
    bytes: `brew /pot HTTP/1.1\r\n${LAST}\r\n`,
    answer: /^HTTP\/1\.1 200 OK/,
    arrives: [/^brew \/pot HTTP/],
  },
  {
    name: "a head of 60 KB arrives",
    bytes: get("/a", `${LAST}${field(60_000)}`),
    answer: ok("GET /a HTTP/1.1"),
    arrives: [/\r\nx-long: a{60000}\r\n/i],
  },
  {
    name: "a target of 60 KB arrives",
    bytes: get(`/${"a".repeat(60_000)}`, LAST),
    answer: /^HTTP\/1\.1 200 OK/,
    arrives: [/^GET \/a{60000} HTTP/],
  },
  {
    name: "a hundred fields arrive",
    bytes: get("/a", LAST + Array.from({ length: 98 }, (_, at) => `X-${at}: y\r\n`).join("")),
    answer: ok("GET /a HTTP/1.1"),
    arrives: [/\r\nx-0: y\r\n.*\r\nx-97: y\r\n/is],
  },
  {
    name: "a response head of 200 KB arrives",
    bytes: get("/a", LAST),
    reply: () => `HTTP/1.1 200 OK\r\n${field(200_000)}Content-Length: 2\r\n\r\nhi`,
    answer: /\r\nx-long: a{200000}\r\n.*\r\n\r\nhi$/is,
    arrives: [/^GET \/a /],
  },
  {
    name: "a response of 200 fields arrives",
    bytes: get("/a", LAST),
    reply: () =>
      `HTTP/1.1 200 OK\r\n${Array.from({ length: 199 }, (_, at) => `X-${at}: y\r\n`).join("")}Content-Length: 2\r\n\r\nhi`,
    answer: /\r\nx-0: y\r\n.*\r\nx-198: y\r\n.*\r\n\r\nhi$/is,
    arrives: [/^GET \/a /],
  },
  ...["Shop.Example", "shop.example.", "shop.example:80", "shop.example.:8080", "shop.example:"].map((host) => ({
    name: `the host ${host} is the same host`,
    bytes: get("/a", `Host: ${host}\r\nConnection: close\r\n`),
    answer: ok("GET /a HTTP/1.1"),
    arrives: [/^GET \/a /],
  })),
  {
    name: "HTTP/1.0 is served, and its connection kept where that is asked for",
    bytes: get("/1", `${HOST}Connection: keep-alive\r\n`, "1.0") + get("/2", HOST, "1.0"),
    answer: /\r\nconnection: keep-alive\r\n.*served GET \/1 .*\r\nconnection: close\r\n.*served GET \/2 /is,
    arrives: [/^GET \/1 /, /^GET \/2 /],
  },
  {
    name: "HTTP/1.0 gets chunks as content",
    bytes: get("/a", HOST, "1.0"),
    reply: () => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    answer: /^HTTP\/1\.1 200 OK\r\n(?:(?!transfer-encoding)[^\r]+\r\n)*\r\nhello$/i,
    arrives: [/^GET \/a /],
  },
  {
    name: "a trailer arrives behind chunks",
    bytes: `POST /a HTTP/1.1\r\n${LAST}Transfer-Encoding: chunked\r\n\r\n2;x="y"\r\nhi\r\n0\r\nX-T: v\r\n\r\n`,
    answer: /^HTTP\/1\.1 200 OK/,
    arrives: [/\r\n\r\n2\r\nhi\r\n0\r\nX-T: v\r\n\r\n$/i],
  },
  {
    name: "a trailer comes back behind chunks",
    bytes: get("/a", LAST),
    reply: () => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: v\r\n\r\n",
    answer: /\r\n\r\n2\r\nhi\r\n0\r\nX-T: v\r\n\r\n$/i,
    arrives: [/^GET \/a /],
  },
  {
    name: "a client that expects 100 Continue gets its answer",
    bytes: `POST /a HTTP/1.1\r\n${LAST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`,
    answer: /^(?:HTTP\/1\.1 100 Continue\r\n\r\n)?HTTP\/1\.1 200 OK/,
    arrives: [/^POST \/a .*\r\n\r\nabc$/s],
  },
  {
    name: "HEAD has no content",
    bytes: `HEAD /a HTTP/1.1\r\n${HOST}\r\n${get("/b", LAST)}`,
    answer: /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\nHTTP\/1\.1 200 OK\r\n.*served GET \/b HTTP\/1\.1$/s,
    arrives: [/^HEAD \/a /, /^GET \/b /],
  },
  {
    name: "OPTIONS * arrives",
    bytes: `OPTIONS * HTTP/1.1\r\n${LAST}\r\n`,
    answer: /^HTTP\/1\.1 200 OK/,
    arrives: [/^OPTIONS \* HTTP/],
  },
  {
    name: "an absolute target wins over Host",
    bytes: `GET http://shop.example/a HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n`,
    answer: ok("GET /a HTTP/1.1"),
    arrives: [/^GET \/a HTTP\/1\.1\r\n(?!.*other).*host: shop\.example\r\n/is],
  },
  {
    name: "early hints come before the answer",
    bytes: get("/a", LAST),
    reply: (...args) => `HTTP/1.1 103 Early Hints\r\nLink: </s>; rel=preload\r\n\r\n${OK_REPLY(...args)}`,
    answer: /^HTTP\/1\.1 103 [^\r]*\r\nlink: <\/s>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n/i,
    arrives: [/^GET \/a /],
  },
  {
    name: "a status that is not registered arrives",
    bytes: get("/a", LAST),
    reply: () => "HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\nhi",
    answer: /^HTTP\/1\.1 799 Odd\r\n/,
    arrives: [/^GET \/a /],
  },
  ...["websocket", "tea/1.0"].map((protocol) => ({
    name: `a switch to ${protocol} makes a tunnel`,
    bytes: get("/a", `${HOST}Connection: Upgrade\r\nUpgrade: ${protocol}\r\n`),
    reply: () => `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\nhot`,
    answer: new RegExp(`^HTTP/1\\.1 101 .*upgrade: ${protocol}\r\n.*hot`, "is"),
    arrives: [/^GET \/a /],
  })),
];

/** Runs the table on a path. */
export function runCapabilityContract({ name: path, start }: HttpPath): void {
  describe(`through ${path}`, () => {
    it.each(CAPABILITIES)("$name", async ({ bytes, reply = OK_REPLY, answer, arrives }) => {
      const cleanup = new Cleanup();
      try {
        const { port, upstream } = await start(cleanup, reply);
        const client = await dialRaw(cleanup, port);
        if (bytes.includes("Upgrade:")) {
          client.write(bytes);
          expect(await readUntil(client, "hot")).toMatch(answer);
        } else {
          client.end(bytes);
          expect(await readUntilClosed(client)).toMatch(answer);
        }
        const arrived = upstream.executed.map(({ head, body }) => `${head}\r\n\r\n${body}`);
        expect(arrived).toHaveLength(arrives.length);
        for (const [at, expected] of arrives.entries()) expect(arrived[at]).toMatch(expected);
      } finally {
        await cleanup.run();
      }
    });
  });
}
