/** For tests: what a client of HTTP/2 may expect of every sidecar; the same as `capability-contract-fixture.ts`. */
import { once } from "node:events";
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from "node:http2";
import { describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { OK_REPLY, type Reply } from "../../../net/lenient-upstream-fixture.ts";
import type { HttpPath } from "./http-path-fixture.ts";

interface Request {
  /** Pseudo-fields have defaults. */
  readonly head: OutgoingHttpHeaders;
  /** Without it the head is the whole request. */
  readonly content?: string;
  readonly trailers?: OutgoingHttpHeaders;
}

interface Response {
  readonly interim: readonly number[];
  readonly status: number;
  readonly fields: IncomingHttpHeaders;
  readonly content: string;
  readonly trailers: IncomingHttpHeaders;
}

interface Http2Capability {
  readonly name: string;
  /** At once, on one connection. */
  readonly requests: readonly Request[];
  readonly reply?: Reply;
  /** What the client receives, in the order of its requests. */
  readonly responses: readonly Partial<Response>[];
  /** The requests that the upstream receives, in any order. */
  readonly arrives: readonly RegExp[];
}

const OK: Partial<Response> = { status: 200, content: "served GET /a HTTP/1.1" };
const POST = { ":method": "POST" };

function manyFields(count: number): OutgoingHttpHeaders {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`x-${at}`, "y"]));
}

/** One row for each; `arrives` and `responses` hold on every path. */
const CAPABILITIES: readonly Http2Capability[] = [
  { name: "a request gets its response", requests: [{ head: {} }], responses: [OK], arrives: [/^GET \/a HTTP/] },
  {
    name: "content with a length arrives with it",
    requests: [{ head: { ...POST, "content-length": 3 }, content: "abc" }],
    responses: [{ status: 200 }],
    arrives: [/^POST \/a .*\r\ncontent-length: 3\r\n.*\r\n\r\nabc$/is],
  },
  {
    name: "content without a length arrives in chunks",
    requests: [{ head: POST, content: "abc" }],
    responses: [{ status: 200 }],
    arrives: [/^POST \/a .*\r\ntransfer-encoding: chunked\r\n.*\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/is],
  },
  {
    name: "three requests at once get three responses",
    requests: ["/1", "/2", "/3"].map((path) => ({ head: { ":path": path } })),
    responses: ["/1", "/2", "/3"].map((path) => ({ status: 200, content: `served GET ${path} HTTP/1.1` })),
    arrives: [/^GET \/1 /, /^GET \/2 /, /^GET \/3 /],
  },
  ...["LIST", "VERSION-CONTROL", "M-SEARCH", "X!1", "brew"].map((method) => ({
    name: `the method ${method} arrives`,
    requests: [{ head: { ":method": method, "content-length": 3 }, content: "abc" }],
    responses: [{ status: 200 }],
    arrives: [new RegExp(`^${method.replace("!", "\\!")} /a HTTP/1\\.1\r\n.*\r\n\r\nabc$`, "s")],
  })),
  {
    name: "a head of 60 KB arrives",
    requests: [{ head: { "x-long": "a".repeat(60_000) } }],
    responses: [OK],
    arrives: [/\r\nx-long: a{60000}\r\n/],
  },
  {
    name: "a target of 60 KB arrives",
    requests: [{ head: { ":path": `/${"a".repeat(60_000)}` } }],
    responses: [{ status: 200 }],
    arrives: [/^GET \/a{60000} HTTP/],
  },
  {
    name: "ninety fields arrive",
    requests: [{ head: manyFields(90) }],
    responses: [OK],
    arrives: [/\r\nx-0: y\r\n.*\r\nx-89: y(?:\r\n|$)/s],
  },
  {
    name: "a response head of 60 KB arrives",
    requests: [{ head: {} }],
    reply: () => `HTTP/1.1 200 OK\r\nX-Long: ${"a".repeat(60_000)}\r\nContent-Length: 2\r\n\r\nhi`,
    responses: [{ status: 200, fields: { "x-long": "a".repeat(60_000), "content-length": "2" }, content: "hi" }],
    arrives: [/^GET \/a /],
  },
  {
    name: "a response of 200 fields arrives",
    requests: [{ head: {} }],
    reply: () => {
      const fields = Array.from({ length: 199 }, (_, at) => `X-${at}: y\r\n`).join("");
      return `HTTP/1.1 200 OK\r\n${fields}Content-Length: 2\r\n\r\nhi`;
    },
    responses: [{ status: 200, fields: { "x-0": "y", "x-198": "y" }, content: "hi" }],
    arrives: [/^GET \/a /],
  },
  ...["Shop.Example", "shop.example.", "shop.example:80", "shop.example.:8080"].map((authority) => ({
    name: `the authority ${authority} is the same host`,
    requests: [{ head: { ":authority": authority } }],
    responses: [OK],
    arrives: [/^GET \/a HTTP\/1\.1\r\n.*host: shop\.example/is],
  })),
  {
    name: "a request trailer arrives behind the content",
    requests: [{ head: POST, content: "hi", trailers: { "x-t": "v" } }],
    responses: [{ status: 200 }],
    arrives: [/\r\n\r\n2\r\nhi\r\n0\r\nx-t: v\r\n\r\n$/i],
  },
  {
    name: "a response trailer arrives behind the content",
    requests: [{ head: {} }],
    reply: () => "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-T: v\r\n\r\n",
    responses: [{ status: 200, content: "hi", trailers: { "x-t": "v" } }],
    arrives: [/^GET \/a /],
  },
  {
    name: "a client that expects 100 Continue gets its response",
    requests: [{ head: { ...POST, expect: "100-continue", "content-length": 3 }, content: "abc" }],
    responses: [{ status: 200 }],
    arrives: [/^POST \/a .*\r\n\r\nabc$/s],
  },
  {
    name: "HEAD has no content, and the length of GET's",
    requests: [{ head: { ":method": "HEAD" } }],
    responses: [{ status: 200, content: "", fields: { "content-length": "23" } }],
    arrives: [/^HEAD \/a /],
  },
  {
    name: "OPTIONS * arrives",
    requests: [{ head: { ":method": "OPTIONS", ":path": "*" } }],
    responses: [{ status: 200 }],
    arrives: [/^OPTIONS \* HTTP/],
  },
  {
    name: "early hints arrive before the response",
    requests: [{ head: {} }],
    reply: (...args) => `HTTP/1.1 103 Early Hints\r\nLink: </s>; rel=preload\r\n\r\n${OK_REPLY(...args)}`,
    responses: [{ ...OK, interim: [103] }],
    arrives: [/^GET \/a /],
  },
  {
    name: "an unregistered status arrives",
    requests: [{ head: {} }],
    reply: () => "HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\nhi",
    responses: [{ status: 799, content: "hi" }],
    arrives: [/^GET \/a /],
  },
  {
    name: "a response without a length ends with its connection, and its stream",
    requests: [{ head: {} }],
    reply: (_request, socket) => void socket.end("HTTP/1.1 200 OK\r\n\r\nall of it"),
    responses: [{ status: 200, content: "all of it" }],
    arrives: [/^GET \/a /],
  },
];

async function ask(session: ClientHttp2Session, { head, content, trailers }: Request): Promise<Response> {
  const pseudo = { ":method": "GET", ":path": "/a", ":authority": "shop.example" };
  const endStream = content === undefined;
  const stream = session.request({ ...pseudo, ...head }, { endStream, waitForTrailers: trailers !== undefined });
  if (trailers !== undefined) stream.once("wantTrailers", () => stream.sendTrailers(trailers));
  if (content !== undefined) stream.end(content);
  return await receive(stream);
}

async function receive(stream: ClientHttp2Stream): Promise<Response> {
  const interim: number[] = [];
  let fields: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  let content = "";
  stream.on("headers", (head) => interim.push(Number(head[":status"])));
  stream.on("response", (head) => {
    fields = head;
  });
  stream.on("trailers", (received) => {
    trailers = received;
  });
  stream.setEncoding("latin1");
  stream.on("data", (text: string) => {
    content += text;
  });
  await once(stream, "close");
  return { interim, status: Number(fields[":status"]), fields, content, trailers };
}

/** Runs the table on one path. */
export function runHttp2CapabilityContract({ name: path, start }: HttpPath): void {
  describe(`from a client of HTTP/2, through ${path}`, () => {
    it.each(CAPABILITIES)("$name", async ({ requests, reply = OK_REPLY, responses, arrives }) => {
      const cleanup = new Cleanup();
      try {
        const { port, upstream } = await start(cleanup, reply);
        const options = {
          maxHeaderListPairs: 1000,
          maxSendHeaderBlockLength: 1e6,
          settings: { maxHeaderListSize: 1e6 },
        };
        const session = connect(`http://127.0.0.1:${port}`, options);
        cleanup.add(() => session.destroy());
        expect(await Promise.all(requests.map((request) => ask(session, request)))).toMatchObject(responses);
        const arrived = upstream.executed.map(({ head, body }) => `${head}\r\n\r\n${body}`);
        expect(arrived).toHaveLength(arrives.length);
        for (const expected of arrives) expect(arrived.some((text) => expected.test(text))).toBe(true);
      } finally {
        await cleanup.run();
      }
    });
  });
}
