/** Requests whose framing, trailers or form some server or proxy reads differently from others. */
import {
  AUTHORITY,
  data,
  type FieldPair,
  fields,
  getWith,
  MALFORMED,
  postWith,
  pseudoFields,
  pseudoWith,
  type Verdict,
  type WireCase,
} from "./wire-case-fixture.ts";

const HIDDEN = `GET /hidden HTTP/1.1\r\nhost: ${AUTHORITY}\r\n\r\n`;
const BODY: Verdict = { kind: "accepted", reads: { method: "POST", body: "body" } };

function lengthOf(value: string): FieldPair {
  return ["content-length", value];
}

/** RFC 9113 §8.1.1; CVE-2021-21295, CVE-2021-21409, CVE-2021-36740. */
const FRAMING: readonly WireCase[] = [
  postWith("H2.CL: a request behind a content-length of 0", MALFORMED, { own: [lengthOf("0")], parts: [data(HIDDEN)] }),
  postWith("H2.CL: a request behind the declared content", MALFORMED, {
    own: [lengthOf("4")],
    parts: [data(`body${HIDDEN}`)],
  }),
  postWith("H2.CL: a request in a frame behind the declared content", MALFORMED, {
    own: [lengthOf("4")],
    parts: [data("body", "goes on"), data(HIDDEN)],
  }),
  postWith("H2.TE: a request behind a last chunk", MALFORMED, {
    own: [["transfer-encoding", "chunked"]],
    parts: [data(`0\r\n\r\n${HIDDEN}`)],
  }),
  postWith("H2.TE beside a content-length", MALFORMED, {
    own: [["transfer-encoding", "chunked"], lengthOf(String(HIDDEN.length + 5))],
    parts: [data(`0\r\n\r\n${HIDDEN}`)],
  }),
  postWith("less content than declared", MALFORMED, { own: [lengthOf("5")], parts: [data("body")] }),
  postWith("less content than declared, before trailers", MALFORMED, {
    own: [lengthOf("5")],
    parts: [data("body", "goes on"), fields([["x-own", "a"]])],
  }),
  getWith("no content where some is declared", MALFORMED, lengthOf("4")),
  postWith("an empty frame where content is declared", MALFORMED, { own: [lengthOf("4")], parts: [data("")] }),
  postWith("two content-lengths that differ", MALFORMED, {
    own: [lengthOf("4"), lengthOf("5")],
    parts: [data("body")],
  }),
  postWith("two content-lengths that agree", MALFORMED, { own: [lengthOf("4"), lengthOf("4")], parts: [data("body")] }),
  ...["4, 4", "+4", "-4", "abc", "", "0x4", "4.0", "4e0", "4 ", "99999999999999999999"].map((value) =>
    postWith(`content-length "${value}"`, MALFORMED, { own: [lengthOf(value)], parts: [data("body")] }),
  ),
  postWith("content_length, which CGI reads as the same", MALFORMED, {
    own: [["content_length", "0"]],
    parts: [data(HIDDEN)],
  }),
  postWith("a content-length that is true", BODY, { own: [lengthOf("4")], parts: [data("bo", "goes on"), data("dy")] }),
  postWith("no content-length", BODY, { parts: [data("bo", "goes on"), data("dy", "goes on"), data("")] }),
  postWith("content that looks like the end of chunks and a request", bodyOf(`0\r\n\r\n${HIDDEN}`), {
    parts: [data(`0\r\n\r\n${HIDDEN}`)],
  }),
  getWith("a content-length of 0 without content", { kind: "accepted", reads: { body: "" } }, lengthOf("0")),
];

function bodyOf(body: string): Verdict {
  return { kind: "accepted", reads: { body } };
}

function trailersOf(name: string, verdict: Verdict, ...trailers: readonly FieldPair[]): WireCase {
  return postWith(name, verdict, { parts: [data("body", "goes on"), fields(trailers)] });
}

/** RFC 9113 §8.1; RFC 9110 §6.5.1. */
const TRAILERS: readonly WireCase[] = [
  trailersOf("trailers with a pseudo-field", MALFORMED, [":path", "/hidden"]),
  trailersOf("trailers with a pseudo-field at their end", MALFORMED, ["x-own", "a"], [":method", "GET"]),
  trailersOf("trailers with CR LF in a value", MALFORMED, ["x-own", "a\r\nx-hidden: b"]),
  trailersOf("trailers with a name in upper case", MALFORMED, ["X-Own", "a"]),
  trailersOf("trailers with an empty name", MALFORMED, ["", "a"]),
  trailersOf("trailers with transfer-encoding", MALFORMED, ["transfer-encoding", "chunked"]),
  trailersOf("trailers with connection", MALFORMED, ["connection", "close"]),
  trailersOf("trailers with content-length", MALFORMED, ["content-length", "4"]),
  trailersOf("trailers with host", MALFORMED, ["host", "other.ns3"]),
  ...["authorization", "cookie", "te", "x-forwarded-client-cert", "x_forwarded_client_cert", "content_length"].map(
    (name) => trailersOf(`trailers with ${name}`, MALFORMED, [name, "1"]),
  ),
  postWith("trailers that do not end the stream", MALFORMED, {
    parts: [data("body", "goes on"), fields([["x-own", "a"]], "goes on")],
  }),
  postWith("a second request on the stream instead of trailers", MALFORMED, {
    parts: [data("body", "goes on"), fields(pseudoFields({ ":path": "/hidden" }))],
  }),
  trailersOf("trailers of a regular field", BODY, ["x-own", "a"]),
];

const CONNECT = { ":method": "CONNECT" };

/** RFC 9113 §8.5; RFC 8441 §4; CVE-2025-64763. */
const TUNNELS: readonly WireCase[] = [
  pseudoWith("CONNECT with :scheme and :path", MALFORMED, CONNECT),
  pseudoWith("CONNECT with :path", MALFORMED, { ...CONNECT, ":scheme": undefined }),
  pseudoWith("CONNECT without :authority", MALFORMED, {
    ...CONNECT,
    ":scheme": undefined,
    ":path": undefined,
    ":authority": undefined,
  }),
  pseudoWith(
    "CONNECT to an authority",
    { kind: "refused" },
    {
      ...CONNECT,
      ":scheme": undefined,
      ":path": undefined,
      ":authority": `${AUTHORITY}:80`,
    },
  ),
  pseudoWith("extended CONNECT that was not offered", MALFORMED, { ...CONNECT, ":protocol": "websocket" }),
  pseudoWith(":protocol without CONNECT", MALFORMED, { ":protocol": "websocket" }),
  {
    name: "data behind a CONNECT that was not answered",
    parts: [
      fields(pseudoFields({ ...CONNECT, ":scheme": undefined, ":path": undefined }), "goes on"),
      data(HIDDEN, "goes on"),
    ],
    verdict: { kind: "refused" },
  },
];

/** RFC 9113 §8.2.3. */
const COOKIES: readonly WireCase[] = [
  getWith(
    "crumbs of a cookie are joined",
    { kind: "accepted", reads: { fields: { cookie: "a=1; b=2; c=3" } } },
    ["cookie", "a=1"],
    ["x-own", "b"],
    ["cookie", "b=2"],
    ["cookie", "c=3"],
  ),
  getWith("a crumb with CR LF", MALFORMED, ["cookie", "a=1"], ["cookie", "b=2\r\nx-hidden: a"]),
];

export const MESSAGE_CASES: readonly WireCase[] = [...FRAMING, ...TRAILERS, ...TUNNELS, ...COOKIES];
