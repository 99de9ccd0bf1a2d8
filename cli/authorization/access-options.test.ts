import { describe, expect, it } from "vitest";
import { type AccessOptionValues, parseAccessOptions } from "./access-options.ts";

const IDENTITY = "spiffe://cluster.local/ns/ns1/sa/a";
const parse = (values: AccessOptionValues) => parseAccessOptions({ from: "a", to: "b:80", ...values });

describe("the options of authz explain", () => {
  it.each([
    { to: "b:80", target: { kind: undefined, name: "b", port: "80" } },
    { to: "b.ns2:http", target: { kind: undefined, name: "b.ns2", port: "http" } },
    { to: "b", target: { kind: undefined, name: "b", port: undefined } },
    { to: "pod/b.ns2:8080", target: { kind: "pod", name: "b.ns2", port: "8080" } },
    { to: "service/b:80", target: { kind: "service", name: "b", port: "80" } },
  ])("--to $to", ({ to, target }) => {
    expect(parse({ to }).to).toEqual(target);
  });

  it("are a client by its identity, or one that sends plaintext", () => {
    expect(parseAccessOptions({ "from-identity": IDENTITY, to: "b" }).from).toEqual({
      kind: "identity",
      identity: IDENTITY,
    });
    expect(parseAccessOptions({ plaintext: true, to: "b" }).from).toEqual({ kind: "plaintext" });
  });

  it("are a request, whose host is its authority", () => {
    const { request } = parse({ method: "PUT", header: ["X-Role: a: b", "Host: c", "x-role:d"] });
    expect(request).toMatchObject({ isGiven: true, method: "PUT", path: "/", authority: "c", claims: undefined });
    expect(request.headers).toEqual([
      { name: "x-role", value: "a: b" },
      { name: "x-role", value: "d" },
    ]);
    expect(parse({}).request).toMatchObject({ isGiven: false, method: "GET", path: "/" });
  });

  it("are a token's claims", () => {
    const claims = ["iss=i", "groups=a", "groups=b", "groups=c=d", "realm[roles]=x", "realm[roles]=y", "__proto__=p"];
    expect(parse({ "token-claim": claims }).request.claims).toEqual(
      JSON.parse('{"iss": "i", "groups": ["a", "b", "c=d"], "realm": {"roles": ["x", "y"]}, "__proto__": "p"}'),
    );
  });

  it.each([
    {
      name: "no client",
      values: { from: undefined },
      message: "exactly one of --from, --from-identity and --plaintext",
    },
    { name: "two clients", values: { plaintext: true }, message: "must be given, got 2" },
    { name: "an empty client", values: { from: "" }, message: '--from must be a pod\'s name, got ""' },
    {
      name: "a bad identity",
      values: { from: undefined, "from-identity": "spiffe://x" },
      message: 'SERVICE_ACCOUNT, got "spiffe://x"',
    },
    { name: "no target", values: { to: undefined }, message: "--to is missing" },
    { name: "a bad target", values: { to: "node/a:80" }, message: "--to must be NAME[.NAMESPACE]:PORT" },
    { name: "a target with two ports", values: { to: "a:80:90" }, message: 'got "a:80:90"' },
    { name: "a header without a colon", values: { header: ["x-role"] }, message: `--header must be 'NAME: VALUE'` },
    { name: "a header without a name", values: { header: [": x"] }, message: "has no name" },
    { name: "a header's name that is none", values: { header: ["x y: z"] }, message: 'got "x y: z"' },
    { name: "a relative path", values: { path: "a" }, message: '--path must begin with /, got "a"' },
    { name: "a method that is none", values: { method: "G T" }, message: "--method must be the name of a method" },
    { name: "an address that is none", values: { "source-ip": "10.0.0.0/8" }, message: "--source-ip must be an IP" },
    { name: "a claim without a value", values: { "token-claim": ["a"] }, message: "--token-claim must be NAME=VALUE" },
    { name: "a claim's path that is none", values: { "token-claim": ["a[=b"] }, message: 'got "a[=b"' },
    { name: "a claim that is text and object", values: { "token-claim": ["a=b", "a[c]=d"] }, message: "contradicts" },
    { name: "a claim that is object and text", values: { "token-claim": ["a[c]=d", "a=b"] }, message: "contradicts" },
  ])("are refused with $name", ({ values, message }) => {
    expect(() => parse(values)).toThrow(message);
  });
});
