import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../../net/cleanup-fixture.ts";
import { startLenientUpstream } from "../../../net/lenient-upstream-fixture.ts";
import { dataFrame } from "../../http2/frames/frame-fixture.ts";
import { ERROR_CODE } from "../../http2/frames/frame-types.ts";
import { startInboundSide } from "../../inbound-side-fixture.ts";
import { dialHttp2, type FieldPairs, requestOf } from "../raw-http2-client-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function start() {
  const upstream = await startLenientUpstream(cleanup);
  const side = await startInboundSide(cleanup, {
    mode: "PERMISSIVE",
    applicationPort: upstream.port,
    protocol: "http",
  });
  return { upstream, side, client: await dialHttp2(cleanup, side.port) };
}

/** Fields of the proxy's own. */
const OWN = /\r\nx-request-id: [^\r]+|\r\nx-forwarded-proto: [^\r]+/g;

interface Case {
  readonly name: string;
  readonly request: FieldPairs;
  /** Frames of content; the last ends the stream, unless trailers do. */
  readonly content?: readonly string[];
  readonly trailers?: FieldPairs;
  /** What the application receives. */
  readonly arrives: string;
}

const CASES: readonly Case[] = [
  {
    name: "a request without content has no framing",
    request: requestOf("/a"),
    arrives: "GET /a HTTP/1.1\r\nhost: shop.example\r\n\r\n",
  },
  {
    name: "content without a length comes in chunks",
    request: requestOf("/a", [], "POST"),
    content: ["ab", "c"],
    arrives: "POST /a HTTP/1.1\r\nhost: shop.example\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
  },
  {
    name: "content with a length keeps it",
    request: requestOf("/a", [["content-length", "3"]], "PUT"),
    content: ["a", "bc"],
    arrives: "PUT /a HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 3\r\n\r\nabc",
  },
  {
    name: "an empty frame is no chunk, which would end the content",
    request: requestOf("/a", [], "POST"),
    content: ["ab", "", "c", ""],
    arrives: "POST /a HTTP/1.1\r\nhost: shop.example\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
  },
  {
    name: "a length of 0 with an empty frame is a request without content",
    request: requestOf("/a", [["content-length", "0"]], "POST"),
    content: [""],
    arrives: "POST /a HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 0\r\n\r\n",
  },
  {
    name: "a length of 0 stays, and trailers behind it are left out: HTTP/1.1 has them behind chunks alone",
    request: requestOf("/a", [["content-length", "0"]], "POST"),
    trailers: [["x-after", "1"]],
    arrives: "POST /a HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 0\r\n\r\n",
  },
  {
    name: "a length stays, and trailers behind it are left out",
    request: requestOf("/a", [["content-length", "3"]], "POST"),
    content: ["abc"],
    trailers: [["x-after", "1"]],
    arrives: "POST /a HTTP/1.1\r\nhost: shop.example\r\ncontent-length: 3\r\n\r\nabc",
  },
  {
    name: "crumbs of a cookie become one field",
    request: requestOf("/", [
      ["cookie", "a=1"],
      ["x-a", "b"],
      ["cookie", "c=2"],
    ]),
    arrives: "GET / HTTP/1.1\r\nhost: shop.example\r\ncookie: a=1; c=2\r\nx-a: b\r\n\r\n",
  },
  {
    name: "te: trailers is an option of the connection",
    request: requestOf("/", [["te", "trailers"]]),
    arrives: "GET / HTTP/1.1\r\nhost: shop.example\r\nte: trailers\r\nconnection: te\r\n\r\n",
  },
  {
    name: "a Host that agrees with the authority is not repeated",
    request: requestOf("/", [["host", "Shop.Example"]]),
    arrives: "GET / HTTP/1.1\r\nhost: shop.example\r\n\r\n",
  },
  {
    name: "OPTIONS * stays so",
    request: requestOf("*", [], "OPTIONS"),
    arrives: "OPTIONS * HTTP/1.1\r\nhost: shop.example\r\n\r\n",
  },
  {
    name: "an IPv6 authority with a port is the Host",
    request: [
      [":method", "GET"],
      [":scheme", "https"],
      [":path", "/"],
      [":authority", "[::1]:80"],
    ],
    arrives: "GET / HTTP/1.1\r\nhost: [::1]:80\r\n\r\n",
  },
];

describe("as HTTP/1.1", () => {
  it.each(CASES)("$name", async ({ request, content = [], trailers, arrives }) => {
    const { client, upstream } = await start();
    const isLast = (index: number): boolean => trailers === undefined && index === content.length - 1;
    const frames = content.map((piece, index) => dataFrame(1, piece, isLast(index)));
    client.send(client.headers(1, request, { ends: isLast(-1) }), ...frames);
    if (trailers !== undefined) client.send(client.headers(1, trailers));
    expect((await client.ended(1)).statuses).toEqual(["200"]);
    const [{ head, body } = { head: "", body: "" }] = upstream.executed;
    expect(`${head}\r\n\r\n${body}`.replace(OWN, "")).toBe(arrives);
    expect(upstream.executed).toHaveLength(1);
  });
});

function changed(name: string, value: string): FieldPairs {
  return requestOf("/").map(([each, old]) => [each, each === name ? value : old]);
}

const CONNECT: FieldPairs = [
  [":method", "CONNECT"],
  [":authority", "shop.example:80"],
];

/** Requests that never reach an application, in any part; their stream alone ends. */
const REFUSED: readonly {
  readonly name: string;
  readonly request: FieldPairs;
  /** The status of a local reply, or `reset`. */
  readonly outcome: string;
  readonly code: string;
}[] = [
  { name: "CONNECT", request: CONNECT, outcome: "405", code: "connect_refused" },
  {
    name: "an extended CONNECT, which is not offered (RFC 8441)",
    request: [...CONNECT, [":protocol", "websocket"], [":scheme", "http"], [":path", "/"]],
    outcome: "reset",
    code: "bad_pseudo_field",
  },
  {
    name: "a method that some servers read as HEAD",
    request: requestOf("/", [], "Head"),
    outcome: "501",
    code: "bad_method",
  },
  { name: "the method PRI", request: requestOf("*", [], "PRI"), outcome: "reset", code: "bad_path" },
  ...["content_length", "transfer_encoding", "x_forwarded_client_cert"].map((name) => ({
    name: `a field that CGI reads as another one: ${name}`,
    request: requestOf("/", [[name, "3"]]),
    outcome: "reset",
    code: "bad_field_name",
  })),
  ...["transfer-encoding", "connection", "upgrade", "keep-alive", "proxy-connection", "http2-settings"].map((name) => ({
    name: `the field ${name} of an HTTP/1.1 connection`,
    request: requestOf("/", [[name, "chunked"]]),
    outcome: "reset",
    code: "connection_field",
  })),
  {
    name: "te other than trailers",
    request: requestOf("/", [["te", "gzip"]]),
    outcome: "reset",
    code: "connection_field",
  },
  {
    name: "CR LF in a value",
    request: requestOf("/", [["x-a", "b\r\nx-c: d"]]),
    outcome: "reset",
    code: "bad_field_value",
  },
  { name: "LF in a value", request: requestOf("/", [["x-a", "b\nx-c: d"]]), outcome: "reset", code: "bad_field_value" },
  { name: "NUL in a value", request: requestOf("/", [["x-a", "b\0"]]), outcome: "reset", code: "bad_field_value" },
  {
    name: "a blank at a value's end",
    request: requestOf("/", [["x-a", "b "]]),
    outcome: "reset",
    code: "bad_field_value",
  },
  { name: "CR LF in a name", request: requestOf("/", [["x\r\nx-c", "d"]]), outcome: "reset", code: "bad_field_name" },
  { name: "a colon in a name", request: requestOf("/", [["x:a", "d"]]), outcome: "reset", code: "bad_field_name" },
  { name: "upper case in a name", request: requestOf("/", [["X-A", "d"]]), outcome: "reset", code: "bad_field_name" },
  { name: "an empty name", request: requestOf("/", [["", "d"]]), outcome: "reset", code: "bad_field_name" },
  {
    name: "CR LF in the method",
    request: changed(":method", "GET / HTTP/1.1\r\n"),
    outcome: "reset",
    code: "bad_method",
  },
  { name: "a blank in the path", request: changed(":path", "/a HTTP/1.1"), outcome: "reset", code: "bad_path" },
  { name: "CR LF in the path", request: changed(":path", "/a\r\nx: y"), outcome: "reset", code: "bad_path" },
  { name: "a fragment in the path", request: changed(":path", "/a#b"), outcome: "reset", code: "bad_path" },
  { name: "an absolute path", request: changed(":path", "http://a/"), outcome: "reset", code: "bad_path" },
  { name: "an empty path", request: changed(":path", ""), outcome: "reset", code: "bad_path" },
  { name: "a scheme with a path", request: changed(":scheme", "http://a/b"), outcome: "reset", code: "bad_scheme" },
  {
    name: "credentials in the authority",
    request: changed(":authority", "a@b"),
    outcome: "reset",
    code: "bad_authority",
  },
  {
    name: "CR LF in the authority",
    request: changed(":authority", "a\r\nx: y"),
    outcome: "reset",
    code: "bad_authority",
  },
  { name: "a list of authorities", request: changed(":authority", "a,b"), outcome: "reset", code: "bad_authority" },
  {
    name: "a Host that differs",
    request: requestOf("/", [["host", "other"]]),
    outcome: "reset",
    code: "host_mismatch",
  },
  {
    name: "two different lengths",
    request: requestOf("/", [
      ["content-length", "1"],
      ["content-length", "2"],
    ]),
    outcome: "reset",
    code: "bad_content_length",
  },
  {
    name: "a length with a sign",
    request: requestOf("/", [["content-length", "+0"]]),
    outcome: "reset",
    code: "bad_content_length",
  },
  {
    name: "a pseudo-field behind a field",
    request: [["x-a", "b"], ...requestOf("/")],
    outcome: "reset",
    code: "bad_pseudo_field",
  },
  {
    name: "a pseudo-field twice",
    request: [...requestOf("/").slice(0, 1), ...requestOf("/")],
    outcome: "reset",
    code: "bad_pseudo_field",
  },
];

describe("a request that two servers could read differently", () => {
  it.each(REFUSED)("is refused, and only its stream ends: $name", async ({ request, outcome, code }) => {
    const { client, upstream, side } = await start();
    const head = client.headers(1, request, { ends: false });
    client.send(head, dataFrame(1, "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n", true));
    const response = await client.ended(1);
    if (outcome === "reset") expect(response).toMatchObject({ statuses: [], resetCode: ERROR_CODE.protocolError });
    else expect(response.statuses).toEqual([outcome]);
    expect((await client.ask(3, requestOf("/next"))).statuses).toEqual(["200"]);
    expect(upstream.executed.map(({ line }) => line)).toEqual(["GET /next HTTP/1.1"]);
    expect(side.recorder.faults).toEqual([code]);
    expect(side.http.counted[0]).toMatchObject({ status: outcome === "reset" ? 0 : Number(outcome), flags: "DPE" });
  });

  it.each([
    { name: "less content than its length", length: "4", frames: ["abc"] },
    { name: "more content than its length", length: "2", frames: ["a", "bc"] },
    { name: "content behind a length of 0", length: "0", frames: ["a"] },
  ])("is never whole for its application: $name", async ({ length, frames }) => {
    const { client, upstream } = await start();
    client.send(client.headers(1, requestOf("/", [["content-length", length]], "POST"), { ends: false }));
    for (const [index, frame] of frames.entries()) client.send(dataFrame(1, frame, index === frames.length - 1));
    await client.until(() => client.response(1).resetCode !== undefined);
    expect((await client.ask(3, requestOf("/next"))).statuses).toEqual(["200"]);
    expect(upstream.executed.filter(({ body }) => body !== "")).toEqual([]);
  });
});
