/** For tests: what a client may expect of every proxy, sidecar and gateway alike. */
import { describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { OK_REPLY, type Reply } from "../../../net/lenient-upstream-fixture.ts";
import { dialRaw, readUntil, readUntilClosed } from "../../../net/raw-client-fixture.ts";
import type { HttpPath } from "./http-path-fixture.ts";

const HOST = "Host: shop.example\r\n";
const LAST = `${HOST}Connection: close\r\n`;

interface Capability {
  readonly name: string;
  /** From one client. It half-closes after the last of them, unless that one closes the connection. */
  readonly bytes: string;
  readonly reply?: Reply;
  /** Everything that the client receives. */
  readonly answer: RegExp;
  /** The requests that the upstream receives, and how each begins. */
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
    name: "a client that half-closes after its request gets its response",
    bytes: get("/a"),
    answer: ok("GET /a HTTP/1.1"),
    arrives: [/^GET \/a /],
  },
  {
    name: "a client that half-closes after a body gets its response",
    bytes: `POST /a HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc`,
    answer: ok("POST /a HTTP/1.1"),
    arrives: [/^POST \/a .*\r\n\r\nabc$/s],
  },
  {
    name: "a client that half-closes after three requests gets three responses",
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
    name: "a method in lower case arrives unchanged",
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
    name: "HTTP/1.0 is served, with a persistent connection on request",
    bytes: get("/1", `${HOST}Connection: keep-alive\r\n`, "1.0") + get("/2", HOST, "1.0"),
    answer: /\r\nconnection: keep-alive\r\n.*served GET \/1 .*\r\nconnection: close\r\n.*served GET \/2 /is,
    arrives: [/^GET \/1 /, /^GET \/2 /],
  },
  {
    name: "HTTP/1.0 gets chunked content without chunk framing",
    bytes: get("/a", HOST, "1.0"),
    reply: () => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
    answer: /^HTTP\/1\.1 200 OK\r\n(?:(?!transfer-encoding)[^\r]+\r\n)*\r\nhello$/i,
    arrives: [/^GET \/a /],
  },
  {
    name: "a request trailer arrives after its chunks",
    bytes: `POST /a HTTP/1.1\r\n${LAST}Transfer-Encoding: chunked\r\n\r\n2;x="y"\r\nhi\r\n0\r\nX-T: v\r\n\r\n`,
    answer: /^HTTP\/1\.1 200 OK/,
    arrives: [/\r\n\r\n2\r\nhi\r\n0\r\nX-T: v\r\n\r\n$/i],
  },
  {
    name: "a response trailer arrives after its chunks",
    bytes: get("/a", LAST),
    reply: () => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: v\r\n\r\n",
    answer: /\r\n\r\n2\r\nhi\r\n0\r\nX-T: v\r\n\r\n$/i,
    arrives: [/^GET \/a /],
  },
  {
    name: "a client that expects 100 Continue gets its response",
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
    name: "early hints arrive before the response",
    bytes: get("/a", LAST),
    reply: (...args) => `HTTP/1.1 103 Early Hints\r\nLink: </s>; rel=preload\r\n\r\n${OK_REPLY(...args)}`,
    answer: /^HTTP\/1\.1 103 [^\r]*\r\nlink: <\/s>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n/i,
    arrives: [/^GET \/a /],
  },
  {
    name: "an unregistered status arrives",
    bytes: get("/a", LAST),
    reply: () => "HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\nhi",
    // HTTP/2 has no reason phrases.
    answer: /^HTTP\/1\.1 799 (?:Odd)?\r\n/,
    arrives: [/^GET \/a /],
  },
  ...["websocket", "tea/1.0"].map((protocol) => ({
    name: `an upgrade to ${protocol} becomes a tunnel`,
    bytes: get("/a", `${HOST}Connection: Upgrade\r\nUpgrade: ${protocol}\r\n`),
    reply: () => `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\nhot`,
    answer: new RegExp(`^HTTP/1\\.1 101 .*upgrade: ${protocol}\r\n.*hot`, "is"),
    arrives: [/^GET \/a /],
  })),
];

/** Runs the table on one path. */
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
