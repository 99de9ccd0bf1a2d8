import { describe, expect, it } from "vitest";
import { compileRoutes } from "./compile-routes.ts";
import type { HeaderOperations, HttpMatch, HttpRoute, WeightedTarget } from "./http-route.ts";
import { decideRouteAmong, type RouteRequest, type RouteVerdict } from "./route.ts";

const EMPTY: HttpMatch = { headers: [], withoutHeaders: [], queryParams: [], ignoreUriCase: false };
const REQUEST: RouteRequest = { host: "a.example:80", path: "/v1/x?q=1", method: "GET", headers: () => undefined };

function target(name: string, more: Partial<WeightedTarget> = {}): WeightedTarget {
  return { target: { kind: "host", host: name, port: 80, subset: "" }, weight: 50, ...more };
}

function route(more: Partial<HttpRoute> = {}): HttpRoute {
  return { name: "r", matches: [], targets: [target("a")], refusal: "", ...more };
}

function setting(name: string): HeaderOperations {
  const edit = { set: [{ name, value: "1" }], add: [], remove: [] };
  return { request: edit, response: edit };
}

/** Returns these numbers in order; a further call fails. */
function sequence(...numbers: readonly number[]): () => number {
  const left = [...numbers];
  return () => {
    const next = left.shift();
    if (next === undefined) throw new Error("more numbers were drawn than expected");
    return next;
  };
}

function decide(routes: readonly HttpRoute[], received: Partial<RouteRequest> = {}, random = sequence()): RouteVerdict {
  return decideRouteAmong(compileRoutes(routes), { ...REQUEST, ...received }, random);
}

describe("an empty list of routes", () => {
  it("has no match for a request", () => {
    expect(decide([])).toEqual({ kind: "no_route" });
  });
});

describe("a route that rewrites", () => {
  const prefix: HttpMatch = { ...EMPTY, uri: { kind: "prefix", value: "/v1" } };
  const exact: HttpMatch = { ...EMPTY, uri: { kind: "exact", value: "/v1/x" } };

  it.each([
    { name: "nothing", route: route(), rewritten: undefined },
    {
      name: "the path",
      route: route({ rewrite: { uri: "/api" }, matches: [prefix] }),
      rewritten: { path: "/api/x?q=1" },
    },
    {
      name: "the path by the match that applied, not the first one",
      route: route({
        rewrite: { uri: "/api" },
        matches: [{ ...prefix, method: { kind: "exact", value: "PUT" } }, exact],
      }),
      rewritten: { path: "/api?q=1" },
    },
    { name: "the host", route: route({ rewrite: { authority: "b" } }), rewritten: { authority: "b" } },
    {
      name: "both",
      route: route({
        rewrite: { uri: "/", authority: "b" },
        matches: [{ ...EMPTY, uri: { kind: "prefix", value: "/v1/" } }],
      }),
      rewritten: { path: "/x?q=1", authority: "b" },
    },
    {
      name: "the host for one target",
      route: route({ targets: [target("a", { authority: "c" })] }),
      rewritten: { authority: "c" },
    },
    {
      name: "the host for all targets, which a target cannot change",
      route: route({ rewrite: { authority: "b" }, targets: [target("a", { authority: "c" })] }),
      rewritten: { authority: "b" },
    },
  ])("$name", ({ route, rewritten }) => {
    const verdict = decide([route]);
    expect(verdict.kind === "route" && verdict.rewritten).toEqual(rewritten);
  });
});

describe("a route that redirects", () => {
  it("returns its status and a Location with the request's path and query", () => {
    expect(decide([route({ targets: [], redirect: { authority: "b", code: 308 } })])).toMatchObject({
      kind: "redirect",
      status: 308,
      location: "http://b/v1/x?q=1",
    });
  });

  it("is refused if the request has no valid host", () => {
    expect(decide([route({ redirect: { uri: "/y", code: 301 } })], { host: "" }).kind).toBe("refused");
  });

  it("is delayed and aborted like other routes", () => {
    const redirect = { uri: "/y", code: 302 } as const;
    const delay = { fixedDelayMs: 5, percentage: 100 };
    expect(decide([route({ redirect, fault: { delay } })])).toMatchObject({ kind: "redirect", delayMs: 5 });
    const abort = { httpStatus: 503, percentage: 100 };
    expect(decide([route({ redirect, fault: { abort } })])).toMatchObject({ kind: "abort", status: 503 });
  });
});

describe("faults", () => {
  const delay = { fixedDelayMs: 250, percentage: 25 };
  const abort = { httpStatus: 418, percentage: 0.5 };

  it.each([
    { name: "a delay that is selected", fault: { delay }, draws: [0.2499], expected: { kind: "route", delayMs: 250 } },
    { name: "a delay that is not selected", fault: { delay }, draws: [0.25], expected: { kind: "route" } },
    { name: "an abort that is selected", fault: { abort }, draws: [0.0049], expected: { kind: "abort", status: 418 } },
    { name: "an abort that is not selected", fault: { abort }, draws: [0.005], expected: { kind: "route" } },
    {
      name: "both, the delay first",
      fault: { delay, abort },
      draws: [0, 0],
      expected: { kind: "abort", status: 418, delayMs: 250 },
    },
    { name: "only one of them", fault: { delay, abort }, draws: [0.9, 0], expected: { kind: "abort", status: 418 } },
    {
      name: "of every request, without a draw",
      fault: { delay: { ...delay, percentage: 100 }, abort: { ...abort, percentage: 100 } },
      draws: [],
      expected: { kind: "abort", status: 418, delayMs: 250 },
    },
    {
      name: "of no request, without a draw",
      fault: { delay: { ...delay, percentage: 0 }, abort: { ...abort, percentage: 0 } },
      draws: [],
      expected: { kind: "route" },
    },
  ])("$name", ({ fault, draws, expected }) => {
    const { kind, ...rest } = decide([route({ fault })], {}, sequence(...draws));
    const { status, delayMs } = { status: undefined, delayMs: undefined, ...rest };
    expect({ kind, status, delayMs }).toEqual({ status: undefined, delayMs: undefined, ...expected });
  });

  it("do not hide that a route cannot be served", () => {
    expect(decide([route({ fault: { abort: { httpStatus: 500, percentage: 100 } }, refusal: "no" })]).kind).toBe(
      "refused",
    );
  });
});

describe("header operations", () => {
  it("are the route's, then the target's", () => {
    const [own, first, second] = [setting("own"), setting("a"), setting("b")];
    const targets = [target("a", { headers: first }), target("b", { headers: second })];
    const routes = [route({ headers: own, targets })];
    const headersOf = (draw: number) => {
      const verdict = decide(routes, {}, sequence(draw));
      return verdict.kind === "route" ? verdict.headers : undefined;
    };
    expect([headersOf(0), headersOf(0.99)]).toEqual([
      [own, first],
      [own, second],
    ]);
  });

  it("are the same list for equal results, so that derived values can be cached", () => {
    const compiled = compileRoutes([route({ headers: setting("a") })]);
    const [first, second] = [0, 0].map(() => decideRouteAmong(compiled, REQUEST, () => 0));
    expect(first?.kind === "route" && second?.kind === "route" && first.headers === second.headers).toBe(true);
  });

  it("of a redirect are the route's", () => {
    const verdict = decide([route({ headers: setting("a"), redirect: { uri: "/", code: 301 } })]);
    expect(verdict.kind === "redirect" && verdict.headers).toEqual([setting("a")]);
  });
});

describe("conditions on the query and the scheme", () => {
  const queryMatch = (name: string, value: HttpMatch["queryParams"][number]["value"]) => ({
    queryParams: [{ name, value }],
  });
  const exact = (value: string) => ({ kind: "exact", value }) as const;

  it.each([
    { name: "a parameter", match: queryMatch("a", exact("1")), received: { path: "/?a=1" }, isMatch: true },
    { name: "another value", match: queryMatch("a", exact("1")), received: { path: "/?a=2" }, isMatch: false },
    { name: "no query", match: queryMatch("a", exact("1")), received: { path: "/" }, isMatch: false },
    {
      name: "a parameter among others",
      match: queryMatch("b", exact("2")),
      received: { path: "/?a=1&b=2&c" },
      isMatch: true,
    },
    {
      name: "only the first of a name",
      match: queryMatch("a", exact("2")),
      received: { path: "/?a=1&a=2" },
      isMatch: false,
    },
    {
      name: "a parameter without a value",
      match: queryMatch("a", exact("")),
      received: { path: "/?a" },
      isMatch: true,
    },
    { name: "any value", match: queryMatch("a", { kind: "present" }), received: { path: "/?a=x" }, isMatch: true },
    {
      name: "a name that only starts the same",
      match: queryMatch("a", { kind: "present" }),
      received: { path: "/?ab=1" },
      isMatch: false,
    },
    { name: "a value with `=`", match: queryMatch("a", exact("b=c")), received: { path: "/?a=b=c" }, isMatch: true },
    { name: "no decoding", match: queryMatch("a", exact("b c")), received: { path: "/?a=b%20c" }, isMatch: false },
    {
      name: "a prefix",
      match: queryMatch("a", { kind: "prefix", value: "b" }),
      received: { path: "/?a=bc" },
      isMatch: true,
    },
    {
      name: "a regex",
      match: queryMatch("a", { kind: "regex", value: "[0-9]+" }),
      received: { path: "/?a=12" },
      isMatch: true,
    },
    {
      name: "a broken regex",
      match: queryMatch("a", { kind: "regex", value: "(" }),
      received: { path: "/?a=(" },
      isMatch: false,
    },
    { name: "nothing after `#`", match: queryMatch("a", exact("1")), received: { path: "/#?a=1" }, isMatch: false },
    { name: "http by default", match: { scheme: exact("http") }, received: {}, isMatch: true },
    {
      name: "https if the scheme is https",
      match: { scheme: exact("https") },
      received: { scheme: "https" } as const,
      isMatch: true,
    },
    { name: "https if the scheme is http", match: { scheme: exact("https") }, received: {}, isMatch: false },
  ])("$name: $isMatch", ({ match, received, isMatch }) => {
    expect(decide([route({ matches: [{ ...EMPTY, ...match }] })], received).kind).toBe(isMatch ? "route" : "no_route");
  });

  it("a header that must not be empty must not be missing either, as in Envoy", () => {
    const withoutHeaders = [{ name: "x-a", value: exact("") }];
    expect(decide([route({ matches: [{ ...EMPTY, withoutHeaders }] })]).kind).toBe("no_route");
  });
});
