import { describe, expect, it } from "vitest";
import { checkRequest } from "./check-request.ts";
import type { Http2Fields } from "./message-head.ts";

type Pairs = readonly (readonly [string, string])[];

const M = [":method", "GET"] as const;
const S = [":scheme", "https"] as const;
const P = [":path", "/a?b=c"] as const;
const A = [":authority", "world.ns2:8080"] as const;

function fieldsOf(pairs: Pairs, neverIndexed: readonly number[] = []): Http2Fields {
  return { names: pairs.map(([name]) => name), values: pairs.map(([, value]) => value), neverIndexed };
}

const CLASSIC = { allowsExtendedConnect: false };

function check(pairs: Pairs, endsStream = true, rules = CLASSIC) {
  return checkRequest(fieldsOf(pairs), endsStream, rules);
}

function withField(name: string, value: string): Pairs {
  return [M, S, P, A, [name, value]];
}

describe("a malformed request is refused", () => {
  it.each<{ name: string; pairs: Pairs; code: string }>([
    { name: "no :method", pairs: [S, P, A], code: "bad_pseudo_field" },
    { name: "no :scheme", pairs: [M, P, A], code: "bad_scheme" },
    { name: "no :path", pairs: [M, S, A], code: "bad_pseudo_field" },
    { name: "neither :authority nor host", pairs: [M, S, P], code: "bad_authority" },
    { name: "an empty field list", pairs: [], code: "bad_pseudo_field" },
    { name: "two :method", pairs: [M, M, S, P, A], code: "bad_pseudo_field" },
    { name: "two :path", pairs: [M, S, P, P, A], code: "bad_pseudo_field" },
    { name: "an unknown pseudo-field", pairs: [M, S, P, A, [":x", "y"]], code: "bad_pseudo_field" },
    {
      name: "a pseudo-field named like a property of objects",
      pairs: [M, S, P, A, [":constructor", "y"]],
      code: "bad_pseudo_field",
    },
    { name: ":status", pairs: [M, S, P, A, [":status", "200"]], code: "bad_pseudo_field" },
    { name: "a pseudo-field behind a field", pairs: [M, S, P, ["x", "y"], A], code: "bad_pseudo_field" },
    {
      name: ":protocol that was not offered",
      pairs: [[":method", "CONNECT"], S, P, A, [":protocol", "websocket"]],
      code: "bad_pseudo_field",
    },
    { name: ":protocol without CONNECT", pairs: [M, S, P, A, [":protocol", "websocket"]], code: "bad_pseudo_field" },
    { name: "CONNECT with :path", pairs: [[":method", "CONNECT"], P, A], code: "bad_pseudo_field" },
    { name: "CONNECT without :authority", pairs: [[":method", "CONNECT"]], code: "bad_authority" },
    { name: "an empty :method", pairs: [[":method", ""], S, P, A], code: "bad_method" },
    {
      name: "a :method with a space (CVE-2021-39240)",
      pairs: [[":method", "GET /admin HTTP/1.1"], S, P, A],
      code: "bad_method",
    },
    { name: "a :method with CRLF (CVE-2021-33193)", pairs: [[":method", "GET\r\nx: y"], S, P, A], code: "bad_method" },
    { name: "another :scheme (CVE-2021-39240)", pairs: [M, [":scheme", "https://x/"], P, A], code: "bad_scheme" },
    { name: "an empty :path", pairs: [M, S, [":path", ""], A], code: "bad_path" },
    { name: "a :path without /", pairs: [M, S, [":path", "a"], A], code: "bad_path" },
    { name: "* for another method than OPTIONS", pairs: [M, S, [":path", "*"], A], code: "bad_path" },
    { name: "a :path with a space", pairs: [M, S, [":path", "/a HTTP/1.1"], A], code: "bad_path" },
    { name: "a :path with CRLF", pairs: [M, S, [":path", "/\r\nx: y"], A], code: "bad_path" },
    { name: "a :path with #", pairs: [M, S, [":path", "/a#b"], A], code: "bad_path" },
    { name: "a :path above ASCII", pairs: [M, S, [":path", "/\xe9"], A], code: "bad_path" },
    { name: "an empty :authority", pairs: [M, S, P, [":authority", ""]], code: "bad_authority" },
    { name: "credentials in :authority", pairs: [M, S, P, [":authority", "user@world"]], code: "bad_authority" },
    { name: "a path in :authority", pairs: [M, S, P, [":authority", "world/x"]], code: "bad_authority" },
    { name: "a comma in :authority", pairs: [M, S, P, [":authority", "a,b"]], code: "bad_authority" },
    {
      name: "a host other than :authority (CVE-2021-39242)",
      pairs: withField("host", "admin.ns2"),
      code: "host_mismatch",
    },
    { name: "two host fields", pairs: [M, S, P, ["host", "a"], ["host", "a"]], code: "host_mismatch" },
    { name: "an upper-case name", pairs: withField("X-a", "b"), code: "bad_field_name" },
    { name: "an empty name (CVE-2019-9516)", pairs: withField("", "b"), code: "bad_field_name" },
    { name: "a name with a colon", pairs: withField("a:b", "c"), code: "bad_field_name" },
    { name: "a name with a space", pairs: withField("a b", "c"), code: "bad_field_name" },
    { name: "a name with NUL (CVE-2019-9900)", pairs: withField("a\0", "c"), code: "bad_field_name" },
    { name: "a name with LF", pairs: withField("a\nb", "c"), code: "bad_field_name" },
    { name: "a name above ASCII", pairs: withField("\xe9", "c"), code: "bad_field_name" },
    { name: "a value with CR", pairs: withField("a", "b\rc"), code: "bad_field_value" },
    { name: "a value with LF", pairs: withField("a", "b\nc"), code: "bad_field_value" },
    { name: "a value with NUL", pairs: withField("a", "b\0"), code: "bad_field_value" },
    { name: "a value with DEL", pairs: withField("a", "b\x7f"), code: "bad_field_value" },
    { name: "a value that begins with a space", pairs: withField("a", " b"), code: "bad_field_value" },
    { name: "a value that ends with a tab", pairs: withField("a", "b\t"), code: "bad_field_value" },
    { name: "transfer-encoding (H2.TE)", pairs: withField("transfer-encoding", "chunked"), code: "connection_field" },
    { name: "connection", pairs: withField("connection", "close"), code: "connection_field" },
    { name: "keep-alive", pairs: withField("keep-alive", "1"), code: "connection_field" },
    { name: "proxy-connection", pairs: withField("proxy-connection", "close"), code: "connection_field" },
    { name: "upgrade", pairs: withField("upgrade", "h2c"), code: "connection_field" },
    { name: "te other than trailers", pairs: withField("te", "trailers, gzip"), code: "connection_field" },
    { name: "content-length with a sign", pairs: withField("content-length", "+0"), code: "bad_content_length" },
    { name: "content-length as a list", pairs: withField("content-length", "0, 0"), code: "bad_content_length" },
    {
      name: "an inexact content-length",
      pairs: withField("content-length", "9999999999999999"),
      code: "bad_content_length",
    },
    {
      name: "two content-lengths",
      pairs: [M, S, P, A, ["content-length", "0"], ["content-length", "0"]],
      code: "bad_content_length",
    },
    {
      name: "a declared length without content (H2.CL)",
      pairs: withField("content-length", "1"),
      code: "bad_content_length",
    },
  ])("$name", ({ pairs, code }) => {
    const checked = check(pairs);
    expect(checked.kind === "malformed" ? checked.fault.code : "accepted").toBe(code);
  });
});

describe("a well-formed request", () => {
  it("gives its parts, and its fields in order without pseudo-fields", () => {
    const checked = check([M, S, P, A, ["accept", "*/*"], ["x-a", "\xe9 b"], ["te", "trailers"], ["x-empty", ""]]);
    expect(checked).toMatchObject({
      kind: "ok",
      value: {
        method: "GET",
        scheme: "https",
        path: "/a?b=c",
        authority: "world.ns2:8080",
        names: ["accept", "x-a", "te", "x-empty"],
        values: ["*/*", "\xe9 b", "trailers", ""],
      },
    });
  });

  it("has its authority in the form in which HTTP/1.1 has it", () => {
    expect(check([M, S, P, [":authority", "%77orld%2Ens2:80"]])).toMatchObject({
      value: { authority: "world.ns2:80" },
    });
    expect(check([M, S, P, ["host", "a%e4.example"]])).toMatchObject({ value: { authority: "a%E4.example" } });
    expect(check([M, S, P, [":authority", "a%2Fb"]])).toMatchObject({ fault: { code: "bad_authority" } });
  });

  it("has its authority from host if :authority is missing, and host never among its fields", () => {
    expect(check([M, S, P, ["host", "world"]])).toMatchObject({ value: { authority: "world", names: [] } });
    expect(check([M, S, P, [":authority", "world"], ["host", "WORLD"]])).toMatchObject({ value: { names: [] } });
  });

  it("has one cookie, joined from its crumbs, which is secret if a crumb is", () => {
    const pairs: Pairs = [M, S, P, A, ["cookie", "a=1"], ["x", "y"], ["cookie", "b=2"], ["authorization", "z"]];
    const checked = checkRequest(fieldsOf(pairs, [6, 7]), true, CLASSIC);
    expect(checked).toMatchObject({
      value: { names: ["cookie", "x", "authorization"], values: ["a=1; b=2", "y", "z"], neverIndexed: [0, 2] },
    });
  });

  it.each<{ name: string; pairs: Pairs }>([
    { name: "OPTIONS *", pairs: [[":method", "OPTIONS"], S, [":path", "*"], A] },
    { name: "an IPv6 authority", pairs: [M, S, P, [":authority", "[::1]:80"]] },
    { name: "CONNECT", pairs: [[":method", "CONNECT"], A] },
    { name: "content-length 0 without content", pairs: withField("content-length", "0") },
  ])("is accepted: $name", ({ pairs }) => {
    expect(check(pairs).kind).toBe("ok");
  });

  it("may be extended CONNECT where that was offered", () => {
    const pairs: Pairs = [[":method", "CONNECT"], [":protocol", "websocket"], S, P, A];
    expect(check(pairs, false, { allowsExtendedConnect: true })).toMatchObject({ value: { protocol: "websocket" } });
  });
});
