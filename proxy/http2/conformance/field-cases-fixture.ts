/** Requests whose fields some server or proxy reads differently from others. */
import { AUTHORITY, fields, getWith, MALFORMED, pseudoFields, pseudoWith, type WireCase } from "./wire-case-fixture.ts";

/** RFC 9113 §8.2.1; CVE-2021-33193, CVE-2019-9900. */
const BAD_CHARACTERS: readonly WireCase[] = [
  getWith("CR LF and a field in a value", MALFORMED, ["x-own", "a\r\nx-hidden: b"]),
  getWith("CR LF and a request in a value", MALFORMED, [
    "x-own",
    `a\r\n\r\nGET /hidden HTTP/1.1\r\nhost: ${AUTHORITY}\r\n\r\n`,
  ]),
  getWith("LF in a value", MALFORMED, ["x-own", "a\nx-hidden: b"]),
  getWith("CR in a value", MALFORMED, ["x-own", "a\rb"]),
  getWith("NUL in a value", MALFORMED, ["x-own", "a\0b"]),
  getWith("another control in a value", MALFORMED, ["x-own", "a\x01b"]),
  getWith("DEL in a value", MALFORMED, ["x-own", "a\x7fb"]),
  getWith("a space before a value", MALFORMED, ["x-own", " a"]),
  getWith("a space behind a value", MALFORMED, ["x-own", "a "]),
  getWith("a tab behind a value", MALFORMED, ["x-own", "a\t"]),
  getWith("a name with a colon", MALFORMED, ["x-own: b", "a"]),
  getWith("a name with a space", MALFORMED, ["x own", "a"]),
  getWith("a name with a space at its end", MALFORMED, ["x-own ", "a"]),
  getWith("a name in upper case", MALFORMED, ["X-Own", "a"]),
  getWith("an empty name (CVE-2019-9516)", MALFORMED, ["", "a"]),
  getWith("CR LF in a name", MALFORMED, ["x-own: a\r\nx-hidden", "b"]),
  getWith("NUL in a name", MALFORMED, ["x-own\0", "a"]),
  getWith("an octet over 0x7f in a name", MALFORMED, ["x-\xe9", "a"]),
  getWith("x_forwarded_client_cert, which CGI reads as the identity", MALFORMED, ["x_forwarded_client_cert", "a"]),
  getWith("another name with an underscore is passed on", acceptedWith("x_own", "a"), ["x_own", "a"]),
  getWith("a tab inside of a value and octets over 0x7f are passed on", acceptedWith("x-own", "a\tb \xe9"), [
    "x-own",
    "a\tb \xe9",
  ]),
  getWith("an empty value is passed on", acceptedWith("x-own", ""), ["x-own", ""]),
];

/** RFC 9113 §8.2.2; CVE-2021-36740 and others, as H2.TE. */
const CONNECTION_FIELDS: readonly WireCase[] = [
  getWith("te: gzip", MALFORMED, ["te", "gzip"]),
  getWith("te: trailers, gzip", MALFORMED, ["te", "trailers, gzip"]),
  getWith("te: trailers", { kind: "accepted", reads: {} }, ["te", "trailers"]),
  getWith("connection: close", MALFORMED, ["connection", "close"]),
  getWith("connection that names another field", MALFORMED, ["connection", "x-forwarded-for"]),
  getWith("connection without a value", MALFORMED, ["connection", ""]),
  getWith("transfer-encoding", MALFORMED, ["transfer-encoding", "chunked"]),
  getWith("transfer-encoding: identity", MALFORMED, ["transfer-encoding", "identity"]),
  getWith("transfer_encoding, which CGI reads as the same", MALFORMED, ["transfer_encoding", "chunked"]),
  getWith("upgrade: h2c", MALFORMED, ["upgrade", "h2c"]),
  getWith("upgrade: websocket", MALFORMED, ["upgrade", "websocket"]),
  getWith("keep-alive", MALFORMED, ["keep-alive", "timeout=5"]),
  getWith("proxy-connection", MALFORMED, ["proxy-connection", "keep-alive"]),
  getWith("http2-settings", MALFORMED, ["http2-settings", "AAMAAABk"]),
];

/** RFC 9113 §8.3, §8.3.1; CVE-2021-39240, CVE-2021-39241, CVE-2021-39242. */
const PSEUDO_FIELDS: readonly WireCase[] = [
  ...[":method", ":scheme", ":path"].map((name) => pseudoWith(`no ${name}`, MALFORMED, { [name]: undefined })),
  ...[":method", ":scheme", ":path", ":authority"].map((name) =>
    pseudoWith(`an empty ${name}`, MALFORMED, { [name]: "" }),
  ),
  ...pseudoFields().map((pair) => getWith(`${pair[0]} twice`, MALFORMED, pair)),
  ...pseudoFields().map(
    (pair): WireCase => ({
      name: `${pair[0]} behind a regular field`,
      parts: [fields([...pseudoFields({ [pair[0]]: undefined }), ["x-own", "a"], pair])],
      verdict: MALFORMED,
    }),
  ),
  getWith("an unknown pseudo-field", MALFORMED, [":own", "a"]),
  getWith("a pseudo-field in upper case", MALFORMED, [":Path", "/b"]),
  getWith("a pseudo-field of responses", MALFORMED, [":status", "200"]),
  getWith("a name of one colon", MALFORMED, [":", "a"]),
  pseudoWith("a space in :method", MALFORMED, { ":method": "GET /hidden HTTP/1.1" }),
  pseudoWith("CR LF in :method", MALFORMED, { ":method": "GET / HTTP/1.1\r\nx-hidden: a\r\nx:" }),
  pseudoWith("a delimiter in :method", MALFORMED, { ":method": "G(T" }),
  pseudoWith("a space in :path", MALFORMED, { ":path": "/ HTTP/1.1" }),
  pseudoWith("CR LF in :path", MALFORMED, { ":path": "/ HTTP/1.1\r\nx-hidden: a\r\nx:" }),
  pseudoWith("NUL in :path", MALFORMED, { ":path": "/a\0" }),
  pseudoWith("DEL in :path", MALFORMED, { ":path": "/a\x7f" }),
  pseudoWith("an octet over 0x7f in :path", MALFORMED, { ":path": "/\xe9" }),
  pseudoWith("a fragment in :path (CVE-2021-39156)", MALFORMED, { ":path": "/a#b" }),
  pseudoWith("a :path without a slash", MALFORMED, { ":path": "attack" }),
  pseudoWith("a whole URI in :path", MALFORMED, { ":path": "http://other.ns3/" }),
  pseudoWith("an asterisk in :path of a GET", MALFORMED, { ":path": "*" }),
  pseudoWith("a space in :scheme", MALFORMED, { ":scheme": "http " }),
  pseudoWith("a URI in :scheme", MALFORMED, { ":scheme": "http://other.ns3/?" }),
  pseudoWith("CR LF in :scheme", MALFORMED, { ":scheme": "http\r\nx-hidden: a" }),
  pseudoWith(
    "an asterisk in :path of OPTIONS is passed on",
    { kind: "accepted", reads: { method: "OPTIONS", path: "*" } },
    {
      ":method": "OPTIONS",
      ":path": "*",
    },
  ),
  pseudoWith(
    "a query and dots in :path are passed on",
    { kind: "accepted", reads: { path: "/a/..b//?c=/../d" } },
    {
      ":path": "/a/..b//?c=/../d",
    },
  ),
];

/** RFC 9113 §8.3.1; RFC 9110 §7.2. */
const AUTHORITIES: readonly WireCase[] = [
  pseudoWith("userinfo in :authority", MALFORMED, { ":authority": `user@${AUTHORITY}` }),
  pseudoWith("a path in :authority", MALFORMED, { ":authority": `${AUTHORITY}/hidden` }),
  pseudoWith("a space in :authority", MALFORMED, { ":authority": `${AUTHORITY} other` }),
  pseudoWith("CR LF in :authority", MALFORMED, { ":authority": `${AUTHORITY}\r\nx-hidden: a` }),
  pseudoWith("a list in :authority", MALFORMED, { ":authority": `${AUTHORITY}, other.ns3` }),
  pseudoWith("a port that is not a number in :authority", MALFORMED, { ":authority": `${AUTHORITY}:80a` }),
  ...["a%2Fhidden", "user%40a", "a%3A80", "a%0D%0Ax-hidden", "a%4", "%"].map((authority) =>
    pseudoWith(`the escapes of "${authority}" in :authority`, MALFORMED, { ":authority": authority }),
  ),
  pseudoWith(
    "escaped octets beyond ASCII in :authority are passed on",
    { kind: "accepted", reads: { authority: "%C3%A9.example" } },
    { ":authority": "%C3%A9.example" },
  ),
  pseudoWith("neither :authority nor host", MALFORMED, { ":authority": undefined }),
  getWith("a host that differs from :authority", MALFORMED, ["host", "other.ns3"]),
  getWith("a host with another port than :authority", MALFORMED, ["host", `${AUTHORITY}:81`]),
  getWith("an empty host beside :authority", MALFORMED, ["host", ""]),
  getWith("two hosts that agree with :authority", MALFORMED, ["host", AUTHORITY], ["host", AUTHORITY]),
  getWith("a host that agrees with :authority", { kind: "accepted", reads: { authority: AUTHORITY } }, [
    "host",
    AUTHORITY,
  ]),
  {
    name: "host without :authority",
    parts: [fields([...pseudoFields({ ":authority": undefined }), ["host", AUTHORITY]])],
    verdict: { kind: "accepted", reads: { authority: AUTHORITY } },
  },
];

function acceptedWith(name: string, value: string): WireCase["verdict"] {
  return { kind: "accepted", reads: { fields: { [name]: value } } };
}

export const FIELD_CASES: readonly WireCase[] = [
  ...BAD_CHARACTERS,
  ...CONNECTION_FIELDS,
  ...PSEUDO_FIELDS,
  ...AUTHORITIES,
];
