import { describe, expect, it } from "vitest";
import { IdentityError } from "./identity-error.ts";
import { formatSpiffeId, parseSpiffeId, parseTrustDomain, spiffeIdParts } from "./spiffe-id.ts";

describe("parseSpiffeId", () => {
  it("parses and formats an id", () => {
    const id = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/my.account");
    expect(spiffeIdParts(id)).toEqual({ trustDomain: "cluster.local", namespace: "ns1", serviceAccount: "my.account" });
    expect(formatSpiffeId(spiffeIdParts(id))).toBe(id);
  });

  it.each([
    { name: "another scheme", text: "https://cluster.local/ns/a/sa/b" },
    { name: "an upper-case scheme", text: "SPIFFE://cluster.local/ns/a/sa/b" },
    { name: "no path", text: "spiffe://cluster.local" },
    { name: "four parts", text: "spiffe://cluster.local/ns/a/sa" },
    { name: "six parts", text: "spiffe://cluster.local/ns/a/sa/b/c" },
    { name: "a trailing slash", text: "spiffe://cluster.local/ns/a/sa/b/" },
    { name: "swapped parts", text: "spiffe://cluster.local/sa/a/ns/b" },
    { name: "an empty trust domain", text: "spiffe:///ns/a/sa/b" },
    { name: "an empty namespace", text: "spiffe://cluster.local/ns//sa/b" },
    { name: "an empty account", text: "spiffe://cluster.local/ns/a/sa/" },
    { name: "an upper-case trust domain", text: "spiffe://Cluster.local/ns/a/sa/b" },
    { name: "a port", text: "spiffe://cluster.local:8443/ns/a/sa/b" },
    { name: "user information", text: "spiffe://me@cluster.local/ns/a/sa/b" },
    { name: "a query", text: "spiffe://cluster.local/ns/a/sa/b?x" },
    { name: "a fragment", text: "spiffe://cluster.local/ns/a/sa/b#x" },
    { name: "percent-encoding", text: "spiffe://cluster.local/ns/%61/sa/b" },
    { name: "dot segments", text: "spiffe://cluster.local/ns/../sa/b" },
    { name: "a line break at the end", text: "spiffe://cluster.local/ns/a/sa/b\n" },
    { name: "an embedded NUL", text: "spiffe://cluster.local/ns/a/sa/b\0.evil" },
    { name: "a letter beyond ASCII", text: "spiffe://cluster.local/ns/a/sa/ü" },
    { name: "too long", text: `spiffe://cluster.local/ns/a/sa/${"b".repeat(2100)}` },
  ])("refuses $name", ({ text }) => {
    expect(() => parseSpiffeId(text)).toThrow(IdentityError);
  });

  it("escapes input text in its message, so that no log line can be forged", () => {
    expect(() => parseSpiffeId("x\nlevel=info")).toThrow(/"x\\nlevel=info"/);
  });
});

describe("parseTrustDomain", () => {
  it.each(["cluster.local", "example_1-x.org", "a"])("accepts %s", (text) => {
    expect(parseTrustDomain(text)).toBe(text);
  });

  it.each(["", "A.b", "a/b", "a:1", "a b", "a".repeat(256)])("refuses %j", (text) => {
    expect(() => parseTrustDomain(text)).toThrow(IdentityError);
  });
});

describe("formatSpiffeId", () => {
  it("refuses parts that would not parse to the same value", () => {
    const trustDomain = parseTrustDomain("cluster.local");
    expect(() => formatSpiffeId({ trustDomain, namespace: "a/sa/b", serviceAccount: "c" })).toThrow(IdentityError);
    expect(() => formatSpiffeId({ trustDomain, namespace: "a", serviceAccount: "b/c" })).toThrow(IdentityError);
  });
});
