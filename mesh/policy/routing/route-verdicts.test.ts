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

/** Gives these numbers in turn; asking for more fails. */
function sequence(...numbers: readonly number[]): () => number {
  const left = [...numbers];
  return () => {
    const next = left.shift();
    if (next === undefined) throw new Error("more was drawn than expected");
    return next;
  };
}

function decide(routes: readonly HttpRoute[], asked: Partial<RouteRequest> = {}, random = sequence()): RouteVerdict {
  return decideRouteAmong(compileRoutes(routes), { ...REQUEST, ...asked }, random);
}

describe("among no routes", () => {
  it("there is none for a request", () => {
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
      name: "the path by the match that held, not the first",
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
      name: "the host for all, which a target cannot change",
      route: route({ rewrite: { authority: "b" }, targets: [target("a", { authority: "c" })] }),
      rewritten: { authority: "b" },
    },
  ])("$name", ({ route, rewritten }) => {
    const verdict = decide([route]);
    expect(verdict.kind === "route" && verdict.rewritten).toEqual(rewritten);
  });
});

describe("a route that redirects", () => {
  it("answers with its status and the request's path and query", () => {
    expect(decide([route({ targets: [], redirect: { authority: "b", code: 308 } })])).toMatchObject({
      kind: "redirect",
      status: 308,
      location: "http://b/v1/x?q=1",
    });
  });

  it("is refused where there is no host to go back to", () => {
    expect(decide([route({ redirect: { uri: "/y", code: 301 } })], { host: "" }).kind).toBe("refused");
  });

  it("is delayed and aborted like others", () => {
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
    { name: "a delay that is drawn", fault: { delay }, draws: [0.2499], expected: { kind: "route", delayMs: 250 } },
    { name: "a delay that is not", fault: { delay }, draws: [0.25], expected: { kind: "route" } },
    { name: "an abort that is drawn", fault: { abort }, draws: [0.0049], expected: { kind: "abort", status: 418 } },
    { name: "an abort that is not", fault: { abort }, draws: [0.005], expected: { kind: "route" } },
    {
      name: "both, the delay first",
      fault: { delay, abort },
      draws: [0, 0],
      expected: { kind: "abort", status: 418, delayMs: 250 },
    },
    { name: "either alone", fault: { delay, abort }, draws: [0.9, 0], expected: { kind: "abort", status: 418 } },
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

  it("are one list for all requests that come to the same, so that what is made of it can be kept", () => {
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
  const asks = (name: string, value: HttpMatch["queryParams"][number]["value"]) => ({ queryParams: [{ name, value }] });
  const exact = (value: string) => ({ kind: "exact", value }) as const;

  it.each([
    { name: "a parameter", match: asks("a", exact("1")), asked: { path: "/?a=1" }, holds: true },
    { name: "another value", match: asks("a", exact("1")), asked: { path: "/?a=2" }, holds: false },
    { name: "no query", match: asks("a", exact("1")), asked: { path: "/" }, holds: false },
    { name: "a parameter among others", match: asks("b", exact("2")), asked: { path: "/?a=1&b=2&c" }, holds: true },
    { name: "the first of a name alone", match: asks("a", exact("2")), asked: { path: "/?a=1&a=2" }, holds: false },
    { name: "a parameter without a value", match: asks("a", exact("")), asked: { path: "/?a" }, holds: true },
    { name: "any value", match: asks("a", { kind: "present" }), asked: { path: "/?a=x" }, holds: true },
    {
      name: "a name that only begins so",
      match: asks("a", { kind: "present" }),
      asked: { path: "/?ab=1" },
      holds: false,
    },
    { name: "a value with `=`", match: asks("a", exact("b=c")), asked: { path: "/?a=b=c" }, holds: true },
    { name: "nothing decoded", match: asks("a", exact("b c")), asked: { path: "/?a=b%20c" }, holds: false },
    { name: "a prefix", match: asks("a", { kind: "prefix", value: "b" }), asked: { path: "/?a=bc" }, holds: true },
    { name: "a regex", match: asks("a", { kind: "regex", value: "[0-9]+" }), asked: { path: "/?a=12" }, holds: true },
    { name: "a broken regex", match: asks("a", { kind: "regex", value: "(" }), asked: { path: "/?a=(" }, holds: false },
    { name: "nothing behind `#`", match: asks("a", exact("1")), asked: { path: "/#?a=1" }, holds: false },
    { name: "http by default", match: { scheme: exact("http") }, asked: {}, holds: true },
    { name: "https where it is", match: { scheme: exact("https") }, asked: { scheme: "https" } as const, holds: true },
    { name: "https where it is not", match: { scheme: exact("https") }, asked: {}, holds: false },
  ])("$name: $holds", ({ match, asked, holds }) => {
    expect(decide([route({ matches: [{ ...EMPTY, ...match }] })], asked).kind).toBe(holds ? "route" : "no_route");
  });

  it("a header that must not be empty may not be missing either, as in Envoy", () => {
    const withoutHeaders = [{ name: "x-a", value: exact("") }];
    expect(decide([route({ matches: [{ ...EMPTY, withoutHeaders }] })]).kind).toBe("no_route");
  });
});
