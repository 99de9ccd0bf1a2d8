import { describe, expect, it } from "vitest";
import type { GatewayListener } from "../types.ts";
import { compileListener } from "./compile-routes.ts";
import type { HttpMatch, HttpRoute, StringMatch, WeightedTarget } from "./http-route.ts";
import { decideRoute, type RouteRequest } from "./route.ts";

const EMPTY: HttpMatch = { headers: [], withoutHeaders: [], queryParams: [], ignoreUriCase: false };

function target(name: string, weight = 100): WeightedTarget {
  return { target: { kind: "host", host: `${name}.ns1.svc.cluster.local`, port: 80, subset: "" }, weight };
}

function route(name: string, matches: readonly HttpMatch[] = [], more: Partial<HttpRoute> = {}): HttpRoute {
  return { name, matches, targets: [target(name)], refusal: "", ...more };
}

function listener(routes: readonly HttpRoute[], hosts: readonly string[] = ["*"]): GatewayListener {
  return { port: 80, virtualHosts: [{ hosts, routes }] };
}

function request(
  more: Partial<Omit<RouteRequest, "headers">> & { headers?: Record<string, string> } = {},
): RouteRequest {
  const { headers = {}, ...rest } = more;
  return { host: "a.example", path: "/", method: "GET", headers: (name) => headers[name], ...rest };
}

function chosen(configured: GatewayListener, received: RouteRequest, random = 0): string {
  const verdict = decideRoute(compileListener(configured), received, () => random);
  return verdict.kind === "route" ? verdict.route.name : verdict.kind;
}

describe("the host of a request", () => {
  const virtualHosts = ["*", "*.example", "*.b.example", "a.example"].map((host) => ({
    hosts: [host],
    routes: [route(host)],
  }));
  const configured = { port: 80, virtualHosts };

  it.each([
    { host: "a.example", expected: "a.example" },
    { host: "A.EXAMPLE", expected: "a.example" },
    { host: "a.example:8080", expected: "a.example" },
    { host: "A.example:80", expected: "a.example" },
    { host: "a.example.", expected: "a.example" },
    { host: "A.Example.:8080", expected: "a.example" },
    { host: "x.b.example.", expected: "*.b.example" },
    { host: "x.b.example", expected: "*.b.example" },
    { host: "x.example", expected: "*.example" },
    { host: "example", expected: "*" },
    { host: "[::1]:80", expected: "*" },
  ])("$host is served by $expected", ({ host, expected }) => {
    expect(chosen(configured, request({ host }))).toBe(expected);
  });

  it("is the same as a configured one with a trailing dot and in capitals", () => {
    const configured = listener([route("r")], ["A.Example."]);
    for (const host of ["a.example", "a.example.", "A.EXAMPLE:80"]) {
      expect(chosen(configured, request({ host }))).toBe("r");
    }
  });

  it.each([
    "other.com",
    "",
    "a.example..",
    "a.example.evil",
    "xa.example.com",
    "a.example:80:80",
    "a.example/x",
    "a.example,b",
  ])("%j belongs to no host", (host) => {
    expect(chosen(listener([route("r")], ["a.example"]), request({ host }))).toBe("no_host");
  });

  it.each(["evil.com#a.example", "a b.example", "a.example\0", "user@a.example"])(
    "%j is not a host, even if every host is served",
    (host) => {
      expect(chosen(listener([route("r")]), request({ host }))).toBe("no_host");
    },
  );

  it("matches an IPv6 address with and without a port", () => {
    const configured = listener([route("r")], ["[::1]"]);
    expect(chosen(configured, request({ host: "[::1]" }))).toBe("r");
    expect(chosen(configured, request({ host: "[::1]:80" }))).toBe("r");
  });

  it("does not fall back to a wider host if the most specific one has no route", () => {
    const closest = { hosts: ["a.example"], routes: [route("r", [{ ...EMPTY, uri: { kind: "exact", value: "/x" } }])] };
    const configured = { port: 80, virtualHosts: [{ hosts: ["*"], routes: [route("wide")] }, closest] };
    expect(chosen(configured, request())).toBe("no_route");
  });
});

describe("the matches of a route", () => {
  const exact = (value: string): StringMatch => ({ kind: "exact", value });
  const prefix = (value: string): StringMatch => ({ kind: "prefix", value });
  const regex = (value: string): StringMatch => ({ kind: "regex", value });
  const header = (value: StringMatch) => [{ name: "x-a", value }];

  it.each([
    { name: "an exact path", match: { uri: exact("/a") }, received: { path: "/a" }, isMatch: true },
    {
      name: "a longer path than the exact one",
      match: { uri: exact("/a") },
      received: { path: "/ab" },
      isMatch: false,
    },
    { name: "a path with a query", match: { uri: exact("/a") }, received: { path: "/a?x=1" }, isMatch: true },
    {
      name: "a path with a fragment (CVE-2021-39156)",
      match: { uri: exact("/a") },
      received: { path: "/a#b" },
      isMatch: true,
    },
    { name: "a prefix", match: { uri: prefix("/a") }, received: { path: "/ab/c" }, isMatch: true },
    { name: "another prefix", match: { uri: prefix("/a") }, received: { path: "/b" }, isMatch: false },
    { name: "another case", match: { uri: exact("/a") }, received: { path: "/A" }, isMatch: false },
    {
      name: "another case with ignoreCase",
      match: { uri: prefix("/Ab"), ignoreUriCase: true },
      received: { path: "/aBc" },
      isMatch: true,
    },
    { name: "a regex", match: { uri: regex("/v[0-9]+/.*") }, received: { path: "/v12/x" }, isMatch: true },
    {
      name: "a regex that matches only a part",
      match: { uri: regex("/v[0-9]+") },
      received: { path: "/v12/x" },
      isMatch: false,
    },
    {
      name: "a regex with an alternative that matches the whole value",
      match: { uri: regex("/a|/b") },
      received: { path: "/bc" },
      isMatch: false,
    },
    { name: "a method", match: { method: exact("POST") }, received: { method: "POST" }, isMatch: true },
    { name: "another method", match: { method: exact("POST") }, received: { method: "GET" }, isMatch: false },
    {
      name: "an authority with a trailing dot",
      match: { authority: exact("a.example") },
      received: { host: "a.example.:80" },
      isMatch: true,
    },
    {
      name: "an authority whose match has a trailing dot and the default port",
      match: { authority: exact("A.example.:80") },
      received: { host: "a.example" },
      isMatch: true,
    },
    {
      name: "an authority in another case, with a port",
      match: { authority: exact("A.Example") },
      received: { host: "a.EXAMPLE:80" },
      isMatch: true,
    },
    { name: "a header", match: { headers: header(exact("1")) }, received: { headers: { "x-a": "1" } }, isMatch: true },
    {
      name: "a header in UTF-8",
      match: { headers: header(exact("é")) },
      received: { headers: { "x-a": "\u00c3\u00a9" } },
      isMatch: true,
    },
    {
      name: "another value of a header",
      match: { headers: header(exact("1")) },
      received: { headers: { "x-a": "2" } },
      isMatch: false,
    },
    { name: "a missing header", match: { headers: header(exact("")) }, received: {}, isMatch: false },
    {
      name: "a present header",
      match: { headers: header({ kind: "present" }) },
      received: { headers: { "x-a": "" } },
      isMatch: true,
    },
    {
      name: "a missing header that must be present",
      match: { headers: header({ kind: "present" }) },
      received: {},
      isMatch: false,
    },
    {
      name: "a present header that must be absent",
      match: { withoutHeaders: header({ kind: "present" }) },
      received: { headers: { "x-a": "1" } },
      isMatch: false,
    },
    {
      name: "a missing header that must be absent",
      match: { withoutHeaders: header({ kind: "present" }) },
      received: {},
      isMatch: true,
    },
    {
      name: "a header with a value other than the forbidden one",
      match: { withoutHeaders: header(exact("1")) },
      received: { headers: { "x-a": "2" } },
      isMatch: true,
    },
    { name: "all but one condition", match: { uri: exact("/"), method: exact("POST") }, received: {}, isMatch: false },
    { name: "a regex that does not compile", match: { uri: regex("(") }, received: {}, isMatch: false },
    {
      name: "a forbidden header by a regex that does not compile",
      match: { withoutHeaders: header(regex("(")) },
      received: {},
      isMatch: false,
    },
  ])("$name: $isMatch", ({ match, received, isMatch }) => {
    const configured = listener([route("r", [{ ...EMPTY, ...match }])]);
    expect(chosen(configured, request(received))).toBe(isMatch ? "r" : "no_route");
  });

  it("apply if any of them does, and the first route wins", () => {
    const either = [
      { ...EMPTY, uri: exact("/a") },
      { ...EMPTY, uri: exact("/b") },
    ];
    const configured = listener([route("first", either), route("second")]);
    expect(chosen(configured, request({ path: "/b" }))).toBe("first");
    expect(chosen(configured, request({ path: "/c" }))).toBe("second");
  });

  it("run in linear time for a regex with exponential backtracking elsewhere", () => {
    const configured = listener([route("r", [{ ...EMPTY, uri: regex("/(a+)+b") }])]);
    expect(chosen(configured, request({ path: `/${"a".repeat(8000)}` }))).toBe("no_route");
  });
});

describe("a route's target", () => {
  it("follows the weights", () => {
    const configured = listener([route("r", [], { targets: [target("a", 1), target("b", 0), target("c", 3)] })]);
    const hosts = [0, 0.24, 0.25, 0.99].map((random) => {
      const verdict = decideRoute(compileListener(configured), request(), () => random);
      return verdict.kind === "route" ? verdict.target.host[0] : verdict.kind;
    });
    expect(hosts).toEqual(["a", "a", "c", "c"]);
  });

  it("is refused with the route's reason, and the next route is not tried", () => {
    const configured = listener([route("r", [], { refusal: "redirect is not supported" }), route("next")]);
    expect(decideRoute(compileListener(configured), request(), () => 0)).toMatchObject({
      kind: "refused",
      reason: "redirect is not supported",
      route: { name: "r" },
    });
  });

  it("is refused if there is none", () => {
    expect(chosen(listener([route("r", [], { targets: [] })]), request())).toBe("refused");
  });
});
