import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileRoutes } from "./compile-routes.ts";
import type { HttpRoute } from "./http-route.ts";
import { decideRouteAmong, type RouteRequest } from "./route.ts";
import { routeArbitrary } from "./route-arbitrary-fixture.ts";

/** An arbitrary request, before any validation. */
const requestArbitrary: fc.Arbitrary<RouteRequest> = fc.record({
  host: fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("a.example", "a.example:80", "[::1]:80", "")),
  path: fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("/", "/v1/x?a=1", "*", "//x", "/?", "/a#b?c")),
  method: fc.constantFrom("GET", "POST", ""),
  headers: fc.dictionary(fc.constantFrom("x-a", "x-b"), fc.string()).map((all) => (name: string) => all[name]),
});

const randomArbitrary = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

function decide(routes: readonly HttpRoute[], request: RouteRequest, draw: number) {
  return decideRouteAmong(compileRoutes(routes), request, () => draw);
}

describe("for any routes and request", () => {
  it("there is a decision, and its target is one of the route's with a weight", () => {
    fc.assert(
      fc.property(
        fc.array(routeArbitrary, { maxLength: 4 }),
        requestArbitrary,
        randomArbitrary,
        (routes, request, draw) => {
          const verdict = decide(routes, request, draw);
          if (verdict.kind !== "route") return;
          expect(routes).toContain(verdict.route);
          const picked = verdict.route.targets.filter(({ target }) => target === verdict.target);
          expect(picked).toHaveLength(1);
          const total = verdict.route.targets.reduce((sum, { weight }) => sum + weight, 0);
          if (total > 0 && verdict.route.targets.length > 1) expect(picked[0]?.weight).toBeGreaterThan(0);
        },
      ),
    );
  });

  it("a Location is one line of visible ASCII with a scheme and a host", () => {
    fc.assert(
      fc.property(
        fc.array(routeArbitrary, { maxLength: 4 }),
        requestArbitrary,
        randomArbitrary,
        (routes, request, draw) => {
          const verdict = decide(routes, request, draw);
          if (verdict.kind === "redirect") expect(verdict.location).toMatch(/^https?:\/\/[^/\s]+\/[\x21-\x7e]*$/);
        },
      ),
    );
  });

  it("a rewritten path contains only bytes of the request and the route, and keeps the query", () => {
    fc.assert(
      fc.property(
        fc.array(routeArbitrary, { maxLength: 4 }),
        requestArbitrary,
        randomArbitrary,
        (routes, request, draw) => {
          const verdict = decide(routes, request, draw);
          if (verdict.kind !== "route" || verdict.rewritten?.path === undefined) return;
          const known = new Set(request.path + (verdict.route.rewrite?.uri ?? ""));
          expect([...verdict.rewritten.path].filter((character) => !known.has(character))).toEqual([]);
          const [, query] = /^[^#?]*(\?.*)$/s.exec(request.path) ?? [];
          if (query !== undefined) expect(verdict.rewritten.path.endsWith(query)).toBe(true);
        },
      ),
    );
  });
});
