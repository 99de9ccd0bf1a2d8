import { describe, expect, it } from "vitest";
import { createTestSet, TEST_SETTINGS, testResource, testService } from "../../resources/resource-set-fixture.ts";
import { compileRoutes } from "./compile-routes.ts";
import { decideMeshRoutes } from "./mesh-routes.ts";
import { decideRouteAmong } from "./route.ts";

const HOST = "orders.ns2.svc.cluster.local";
const ORDERS = testService({ name: "orders", namespace: "ns2", ports: [{ name: "grpc", port: 9000 }] });
const PLACE = "/shop.v1.Orders/Place";

/** The verdict on a call of `path`, by a VirtualService with these routes. */
function decide(http: readonly object[], path: string, metadata: Readonly<Record<string, string>> = {}) {
  const set = createTestSet(ORDERS, testResource("VirtualService", "a", { hosts: [HOST], http }));
  const client = { namespace: "ns1", labels: {} };
  const routes = decideMeshRoutes({ set, settings: TEST_SETTINGS, client, host: HOST, port: 9000 });
  const headers: Readonly<Record<string, string>> = { "content-type": "application/grpc", te: "trailers", ...metadata };
  const call = { host: `${HOST}:9000`, path, method: "POST", headers: (name: string) => headers[name] };
  return decideRouteAmong(compileRoutes(routes), call, () => 0);
}

function to(subset: string, more: object = {}): object {
  return { route: [{ destination: { host: HOST, subset, port: { number: 9000 } } }], ...more };
}

function subsetOf(verdict: ReturnType<typeof decide>): string {
  return verdict.kind === "route" ? verdict.target.subset : verdict.kind;
}

describe("a call of gRPC", () => {
  const http = [
    to("place", { match: [{ uri: { exact: PLACE } }] }),
    to("gold", { match: [{ uri: { prefix: "/shop.v1.Orders/" }, headers: { "x-tier": { exact: "gold" } } }] }),
    to("orders", { match: [{ uri: { prefix: "/shop.v1.Orders/" } }] }),
    to("status", { match: [{ uri: { regex: "/[a-z.]+\\.v[0-9]+\\.[A-Za-z]+/(Get|List)Status" } }] }),
    to("grpc", { match: [{ headers: { "content-type": { prefix: "application/grpc" } } }] }),
  ];

  it.each([
    { name: "its method", path: PLACE, subset: "place" },
    { name: "its method in this case only", path: "/shop.v1.orders/place", subset: "grpc" },
    { name: "its service", path: "/shop.v1.Orders/Cancel", subset: "orders" },
    { name: "the whole name of its service", path: "/shop.v1.OrdersAdmin/Cancel", subset: "grpc" },
    { name: "its metadata", path: "/shop.v1.Orders/Cancel", metadata: { "x-tier": "gold" }, subset: "gold" },
    { name: "an expression", path: "/shop.stock.v2.Stock/ListStatus", subset: "status" },
    { name: "its content type", path: "/grpc.health.v1.Health/Check", subset: "grpc" },
  ])("is routed by $name", ({ path, metadata, subset }) => {
    expect(subsetOf(decide(http, path, metadata))).toBe(subset);
  });

  it("has no time limit unless its route has one", () => {
    const limitOf = (more: object) => {
      const verdict = decide([to("v1", more)], PLACE);
      return verdict.kind === "route" ? verdict.route.timeoutMs : verdict.kind;
    };
    expect([limitOf({}), limitOf({ timeout: "0s" }), limitOf({ timeout: "2s" })]).toEqual([undefined, undefined, 2000]);
  });

  it.each([
    { abort: { httpStatus: 404 }, status: 404, grpcStatus: 12 },
    { abort: { httpStatus: 429 }, status: 429, grpcStatus: 14 },
    { abort: { grpcStatus: "DEADLINE_EXCEEDED" }, status: 504, grpcStatus: 4 },
    { abort: { grpcStatus: "OK" }, status: 200, grpcStatus: 0 },
  ])("is aborted with $abort: $grpcStatus, and other requests with $status", ({ abort, ...statuses }) => {
    expect(decide([to("v1", { fault: { abort } })], PLACE)).toMatchObject({ kind: "abort", ...statuses });
  });
});
