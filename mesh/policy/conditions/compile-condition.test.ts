import { describe, expect, it } from "vitest";
import type { ConnectionAttributes } from "../authorization/authorization.ts";
import { connectionOf, peerOf, requestOf, type ShortRequest, tokenOf } from "../authorization/authorization-fixture.ts";
import { ConnectionFacts, RequestFacts } from "./attributes.ts";
import { compileCondition } from "./compile-condition.ts";

type Given = ShortRequest & { readonly connection?: Partial<ConnectionAttributes> };

function matches(key: string, value: string, given: Given): boolean | "unusable" {
  const compiled = compileCondition({ key, values: [value], notValues: [] });
  const { connection, ...request } = given;
  if (compiled.kind === "connection") return compiled.test(new ConnectionFacts(connectionOf(connection)));
  return compiled.kind === "request" ? compiled.test(new RequestFacts(requestOf(request))) : "unusable";
}

const peer = (name: string): Given => ({ connection: { peer: peerOf(name) } });
const sni = (name: string | undefined): Given => ({ connection: { sni: name } });
const token = (issuer: string, subject: string): Given => ({ token: tokenOf(issuer, subject) });
const claims = (given: Readonly<Record<string, unknown>>): Given => ({ token: tokenOf("i", "s", given) });
const header = (...lines: readonly string[]): Given => ({ headers: { "x-a": lines } });

interface Row {
  readonly key: string;
  readonly value: string;
  readonly match?: readonly Given[];
  readonly miss?: readonly Given[];
}

const ROWS: readonly Row[] = [
  { key: "source.principal", value: "td/ns/a/*", match: [peer("td/ns/a/sa/b")], miss: [peer("td/ns/aa/sa/b")] },
  { key: "source.principal", value: "*a*", miss: [peer("td/ns/a/sa/a")] },
  { key: "source.principal", value: "td/ns/*/sa/a", miss: [peer("td/ns/b/sa/a")] },
  { key: "source.namespace", value: "*", match: [peer("td/ns/a/sa/b")], miss: [{ connection: { peer: undefined } }] },
  { key: "source.namespace", value: "a*c", match: [peer("td/ns/abc/sa/b"), peer("td/ns/ac/sa/b")] },
  { key: "source.namespace", value: "a*b*b", match: [peer("td/ns/abb/sa/b")], miss: [peer("td/ns/ab/sa/b")] },
  { key: "source.namespace", value: "ab*b", match: [peer("td/ns/abb/sa/b")], miss: [peer("td/ns/ab/sa/b")] },
  { key: "source.namespace", value: "*sa", match: [peer("td/ns/usa/sa/x")], miss: [peer("td/ns/a/sa/x")] },
  { key: "source.namespace", value: "a.c", miss: [peer("td/ns/abc/sa/b")] },
  { key: "source.namespace", value: "A", miss: [peer("td/ns/a/sa/b")] },
  { key: "source.trustDomain", value: "td", match: [peer("td/ns/a/sa/b")], miss: [peer("td2/ns/a/sa/b")] },
  { key: "source.trustDomain", value: "*.com", match: [peer("a.com/ns/a/sa/b")], miss: [peer("com/ns/a/sa/b")] },
  { key: "source.trustDomain", value: "td*", match: [peer("td2/ns/a/sa/b")], miss: [peer("a/ns/td/sa/b")] },
  { key: "source.serviceAccount", value: "a/b", match: [peer("td/ns/a/sa/b")], miss: [peer("td/ns/a/sa/b2")] },
  { key: "connection.sni", value: "*", match: [sni("a")], miss: [sni(undefined), sni("")] },
  { key: "connection.sni", value: "*.com", match: [sni("a.com"), sni("a.COM")], miss: [sni("a.org"), sni(undefined)] },
  { key: "connection.sni", value: "A.com", match: [sni("a.com"), sni("A.COM")], miss: [sni("b.com")] },
  { key: "destination.ip", value: "10.1.0.0/24", match: [{}], miss: [{ connection: { destinationIp: "10.1.1.8" } }] },
  { key: "source.ip", value: "10.1.0.0/24", match: [{}], miss: [{ connection: { sourceIp: "" } }] },
  { key: "request.host", value: "*", match: [{ authority: "a" }], miss: [{ authority: "" }] },
  { key: "request.host", value: "a.com:*", match: [{ authority: "A.com:80" }], miss: [{ authority: "a.com" }] },
  { key: "request.host", value: "A.Com", match: [{ authority: "a.cOM" }], miss: [{ authority: "a.com." }] },
  { key: "request.host", value: "k.com", miss: [{ authority: "\u212a.com" }] },
  { key: "request.method", value: "get", miss: [{ method: "GET" }] },
  { key: "request.path", value: "*", match: [{ path: "/" }], miss: [{ path: "" }, { path: "?a" }] },
  { key: "request.path", value: "*/b", match: [{ path: "/a/b?c" }], miss: [{ path: "/a?/b" }] },
  { key: "request.headers[X-A]", value: "*", match: [header("")], miss: [{}] },
  { key: "request.headers[x-a]", value: "a*", match: [header("b", "ab")], miss: [header("b,ab"), header("A")] },
  { key: "request.headers[x-a]", value: "*a*", match: [header("xa*")], miss: [header("xa"), header("*ab")] },
  { key: "request.headers[x-a]", value: "é*", match: [header("\u00c3\u00a9t\u00c3\u00a9")], miss: [header("\u00e9")] },
  { key: "request.headers[host]", value: "a.com", match: [{ authority: "a.com" }], miss: [{ authority: "A.com" }] },
  { key: "request.headers[:Authority]", value: "*", match: [{ authority: "a" }], miss: [{ authority: "" }] },
  { key: "request.headers[:method]", value: "GET", match: [{}], miss: [{ method: "PUT" }] },
  { key: "request.headers[:path]", value: "/?a", match: [{ path: "/?a" }], miss: [{ path: "/" }] },
  { key: "request.auth.principal", value: "*", match: [token("i", "s")], miss: [token("", "s"), token("i", "")] },
  { key: "request.auth.principal", value: "*s", match: [token("i", "as")], miss: [token("s", "a"), {}] },
  { key: "request.auth.principal", value: "*/s", match: [token("i", "s")], miss: [token("i", "as")] },
  {
    key: "request.auth.principal",
    value: "*i/s",
    match: [token("ai", "s")],
    miss: [token("ai", "as"), token("ia", "s")],
  },
  { key: "request.auth.principal", value: "i/*", match: [token("i", "s")], miss: [token("i2", "s"), token("i", "")] },
  {
    key: "request.auth.principal",
    value: "i/s*",
    match: [token("i", "s2")],
    miss: [token("i2", "s"), token("i", "2s")],
  },
  { key: "request.auth.principal", value: "i*", match: [token("i2", "s")], miss: [token("2i", "s")] },
  {
    key: "request.auth.principal",
    value: "https://a/s",
    match: [token("https://a", "s")],
    miss: [token("https:", "a/s")],
  },
  { key: "request.auth.principal", value: "i/a/b", match: [token("i/a", "b")], miss: [token("i", "a/b")] },
  { key: "request.auth.principal", value: "i", miss: [token("i", ""), token("i", "i"), token("", "i")] },
  { key: "request.auth.principal", value: "i/", miss: [token("i", "")] },
  { key: "request.auth.audiences", value: "a", match: [claims({ aud: "a" }), claims({ aud: ["b", "a"] })], miss: [{}] },
  { key: "request.auth.presenter", value: "a*", match: [claims({ azp: "app" })], miss: [claims({ aud: "app" })] },
  {
    key: "request.auth.claims[group]",
    value: "dev",
    match: [claims({ group: "dev" }), claims({ group: [1, "dev"] })],
    miss: [claims({ group: "dev ops" }), claims({ group: [["dev"]] }), claims({ group: { dev: "dev" } }), {}],
  },
  { key: "request.auth.claims[n]", value: "5", miss: [claims({ n: 5 })] },
  {
    key: "request.auth.claims[n]",
    value: "*",
    match: [claims({ n: "x" })],
    miss: [claims({ n: "" }), claims({ n: [] })],
  },
  {
    key: "request.auth.claims[realm][roles]",
    value: "admin",
    match: [claims({ realm: { roles: ["admin"] } })],
    miss: [claims({ realm: ["admin"], roles: "admin" }), claims({ "realm][roles": "admin" }), claims({ realm: null })],
  },
  { key: "request.auth.claims[roles][0]", value: "*", miss: [claims({ roles: ["admin"] })] },
  { key: "request.auth.claims[constructor][name]", value: "*", miss: [claims({})] },
  { key: "request.auth.claims[iss]", value: "i", match: [token("i", "s")] },
];

const CASES = ROWS.flatMap(({ key, value, match = [], miss = [] }) => [
  ...match.map((given) => ({ key, value, given, shown: JSON.stringify(given), expected: true })),
  ...miss.map((given) => ({ key, value, given, shown: JSON.stringify(given), expected: false })),
]);

describe("a condition", () => {
  it.each(CASES)("$key = $value with $shown: $expected", ({ key, value, given, expected }) => {
    expect(matches(key, value, given)).toBe(expected);
  });

  it.each([
    ...[
      "",
      "source.serviceaccount",
      "Source.ip",
      "source.ip ",
      "destination.labels[app]",
      "request.scheme",
      "toString",
    ],
    ...["request.headers", "request.headers[]", "request.headersX[a]", "request.headers[a]b", "request.headers[a][b]"],
    ...["request.headers[:scheme]", "request.auth.claims", "request.auth.claims[a", "request.auth.claims[a]x[b]"],
    ...["request.auth.claims[]", "experimental.envoy.filters.a[b]"],
  ])("with the key %j is unusable", (key) => {
    expect(matches(key, "a", {})).toBe("unusable");
  });

  it.each([
    { key: "destination.port", values: ["80-90", "*", "", "-1", "65536", "0x50", "080", " 80", "8e1"] },
    { key: "source.ip", values: ["", "a.com", "10.0.0.0/33", "*"] },
    { key: "source.serviceAccount", values: ["curl", "a/b/c", "/b", "a/"] },
    { key: "source.trustDomain", values: ["td/ns/a"] },
    { key: "request.path", values: ["/{*}x", "/{**}/{*}"] },
  ])("on $key is unusable with a value that means nothing, also beside others and as one of notValues", (row) => {
    for (const value of row.values) {
      expect(matches(row.key, value, {}), value).toBe("unusable");
      const condition = {
        key: row.key,
        values: ["/a", "80", "10.1.0.1", "a/b", "td"].filter((good) => matches(row.key, good, {}) !== "unusable"),
      };
      expect(condition.values.length).toBeGreaterThan(0);
      expect(compileCondition({ ...condition, notValues: [value] }).kind).toBe("unusable");
      expect(compileCondition({ ...condition, values: [...condition.values, value], notValues: [] }).kind).toBe(
        "unusable",
      );
    }
  });

  it("without any value is unusable: a newer control plane may have said more", () => {
    expect(compileCondition({ key: "source.ip", values: [], notValues: [] }).kind).toBe("unusable");
  });
});
