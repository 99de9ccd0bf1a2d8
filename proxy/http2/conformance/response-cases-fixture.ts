/** Responses of a server that some proxy or client reads differently from others; for the client's role. */
import {
  data,
  type FieldPair,
  fields,
  MALFORMED,
  type Part,
  type Verdict,
  type WireCase,
} from "./wire-case-fixture.ts";

const OK: FieldPair = [":status", "200"];
const HIDDEN = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhidden";

function headOf(name: string, ...list: readonly FieldPair[]): WireCase {
  return { name, parts: [fields(list)], verdict: MALFORMED };
}

function withField(name: string, field: FieldPair): WireCase {
  return headOf(name, OK, field);
}

function contentOf(name: string, verdict: Verdict, own: readonly FieldPair[], ...parts: readonly Part[]): WireCase {
  return { name, parts: [fields([OK, ...own], "goes on"), ...parts], verdict };
}

const BODY: Verdict = { kind: "accepted", reads: { body: "body" } };

/** RFC 9113 §8.3.2, §8.6. */
const STATUS: readonly WireCase[] = [
  headOf("status 101", [":status", "101"]),
  {
    name: "status 101 before a final response",
    parts: [fields([[":status", "101"]], "goes on"), fields([OK])],
    verdict: MALFORMED,
  },
  headOf("no :status", ["x-own", "a"]),
  headOf("no fields at all"),
  ...["", "20", "2000", "2x0", "+20", " 200", "099", "200 OK", "200\r\nx-hidden: a"].map((status) =>
    headOf(`:status "${status.replace("\r\n", " CR LF ")}"`, [":status", status]),
  ),
  headOf(":status twice", OK, OK),
  headOf(":status behind a regular field", ["x-own", "a"], OK),
  headOf("a pseudo-field of requests", OK, [":path", "/"]),
  headOf("an unknown pseudo-field", OK, [":own", "a"]),
  headOf("an interim response that ends the stream", [":status", "103"]),
  {
    name: "an interim response before the final one",
    parts: [
      fields(
        [
          [":status", "103"],
          ["link", "</a>"],
        ],
        "goes on",
      ),
      fields([OK], "goes on"),
      data("body"),
    ],
    verdict: BODY,
  },
];

/** RFC 9113 §8.2. */
const FIELDS: readonly WireCase[] = [
  withField("CR LF and a field in a value", ["x-own", "a\r\nset-cookie: hidden=1"]),
  withField("CR LF and a response in a value", ["x-own", `a\r\n\r\n${HIDDEN}`]),
  withField("LF in a value", ["x-own", "a\nb"]),
  withField("NUL in a value", ["x-own", "a\0b"]),
  withField("a space before a value", ["x-own", " a"]),
  withField("a name in upper case", ["X-Own", "a"]),
  withField("a name with a colon", ["x-own: a", "b"]),
  withField("a name with CR LF", ["x-own: a\r\nx-hidden", "b"]),
  withField("an empty name", ["", "a"]),
  withField("connection", ["connection", "close"]),
  withField("keep-alive", ["keep-alive", "timeout=5"]),
  withField("proxy-connection", ["proxy-connection", "close"]),
  withField("transfer-encoding", ["transfer-encoding", "chunked"]),
  withField("upgrade", ["upgrade", "websocket"]),
];

/** RFC 9113 §8.1.1. */
const CONTENT: readonly WireCase[] = [
  withField("no content where some is declared", ["content-length", "4"]),
  contentOf("more content than declared", MALFORMED, [["content-length", "4"]], data(`body${HIDDEN}`)),
  contentOf("a response behind a content-length of 0", MALFORMED, [["content-length", "0"]], data(HIDDEN)),
  contentOf("less content than declared", MALFORMED, [["content-length", "5"]], data("body")),
  contentOf(
    "two content-lengths that differ",
    MALFORMED,
    [
      ["content-length", "4"],
      ["content-length", "5"],
    ],
    data("body"),
  ),
  contentOf("content-length: +4", MALFORMED, [["content-length", "+4"]], data("body")),
  contentOf("content-length: 4, 4", MALFORMED, [["content-length", "4, 4"]], data("body")),
  { name: "content before the head", parts: [data("body", "goes on"), fields([OK])], verdict: MALFORMED },
  contentOf("trailers with a pseudo-field", MALFORMED, [], data("body", "goes on"), fields([OK])),
  contentOf("trailers with CR LF", MALFORMED, [], data("body", "goes on"), fields([["x-own", "a\r\nb: c"]])),
  contentOf(
    "trailers that do not end the stream",
    MALFORMED,
    [],
    data("body", "goes on"),
    fields([["x-own", "a"]], "goes on"),
  ),
  contentOf("content of the declared length", BODY, [["content-length", "4"]], data("bo", "goes on"), data("dy")),
  contentOf("content and trailers", BODY, [], data("body", "goes on"), fields([["grpc-status", "0"]])),
];

export const RESPONSE_CASES: readonly WireCase[] = [...STATUS, ...FIELDS, ...CONTENT];
