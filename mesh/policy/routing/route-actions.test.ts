import { describe, expect, it } from "vitest";
import { createTestSet, TEST_SETTINGS, testResource, testService } from "../../resources/resource-set-fixture.ts";
import type { HttpRoute } from "./http-route.ts";
import { decideMeshRoutes } from "./mesh-routes.ts";
import { DEFAULT_RETRY_ON } from "./retry-on.ts";

const HOST = "world.ns2.svc.cluster.local";
const WORLD = testService({ name: "world", namespace: "ns2" });

function routeOf(spec: object): HttpRoute | undefined {
  const set = createTestSet(WORLD, testResource("VirtualService", "a", { hosts: [HOST], http: [spec] }));
  const client = { namespace: "ns1", labels: {} };
  return decideMeshRoutes({ set, settings: TEST_SETTINGS, client, host: HOST, port: 8080 })[0];
}

function to(more: object = {}): object {
  return { route: [{ destination: { host: HOST, port: { number: 8080 } } }], ...more };
}

describe("a route's action", () => {
  const only = (more: object): Partial<HttpRoute> | undefined => {
    const route = routeOf(to(more));
    if (route === undefined) return undefined;
    const { name: _name, matches: _matches, targets: _targets, ...rest } = route;
    return rest;
  };
  const NOTHING = { set: [], add: [], remove: [] };

  it.each([
    { name: "nothing", more: {}, expected: {} },
    { name: "a path", more: { rewrite: { uri: "/v2" } }, expected: { rewrite: { uri: "/v2" } } },
    { name: "a host", more: { rewrite: { authority: "b:81" } }, expected: { rewrite: { authority: "b:81" } } },
    {
      name: "a host by a header",
      more: { headers: { request: { set: { Host: "b" } } } },
      expected: { rewrite: { authority: "b" } },
    },
    {
      name: "a host by a pseudo-header, which `rewrite` overrides",
      more: { rewrite: { authority: "a" }, headers: { request: { set: { ":authority": "b" } } } },
      expected: { rewrite: { authority: "a" } },
    },
    { name: "a timeout", more: { timeout: "1.5s" }, expected: { timeoutMs: 1500 } },
    { name: "no timeout", more: { timeout: "0s" }, expected: {} },
    {
      name: "retries by default",
      more: { retries: { attempts: 3 } },
      expected: {
        retries: { attempts: 3, retryOn: DEFAULT_RETRY_ON },
      },
    },
    {
      name: "retries",
      more: { retries: { attempts: 1, perTryTimeout: "250ms", retryOn: "5xx,429,unavailable" } },
      expected: {
        retries: {
          attempts: 1,
          perTryTimeoutMs: 250,
          retryOn: { conditions: ["5xx"], statuses: [429], grpcStatuses: [14] },
        },
      },
    },
    {
      name: "no retries",
      more: { retries: { attempts: 0 } },
      expected: {
        retries: { attempts: 0, retryOn: DEFAULT_RETRY_ON },
      },
    },
    {
      name: "headers",
      more: { headers: { request: { set: { "X-A": "50%%" }, remove: ["X-B"] }, response: { add: { "X-C": "" } } } },
      expected: {
        headers: {
          request: { set: [{ name: "x-a", value: "50%" }], add: [], remove: ["x-b"] },
          response: { set: [], add: [{ name: "x-c", value: "" }], remove: [] },
        },
      },
    },
    {
      name: "a delay of some requests",
      more: { fault: { delay: { fixedDelay: "5s", percentage: { value: 0.1 } } } },
      expected: { fault: { delay: { fixedDelayMs: 5000, percentage: 0.1 } } },
    },
    {
      name: "a delay of some requests, in the deprecated form",
      more: { fault: { delay: { fixedDelay: "5s", percent: 10 } } },
      expected: { fault: { delay: { fixedDelayMs: 5000, percentage: 10 } } },
    },
    {
      name: "faults of all requests",
      more: { fault: { delay: { fixedDelay: "1ms" }, abort: { httpStatus: 503 } } },
      expected: { fault: { delay: { fixedDelayMs: 1, percentage: 100 }, abort: { httpStatus: 503, percentage: 100 } } },
    },
    {
      name: "an abort with a status of gRPC, and the HTTP status for other clients",
      more: { fault: { abort: { grpcStatus: "UNAVAILABLE", percentage: { value: 10 } } } },
      expected: { fault: { abort: { httpStatus: 503, grpcStatus: 14, percentage: 10 } } },
    },
    {
      name: "an abort of gRPC without an error",
      more: { fault: { abort: { grpcStatus: "OK" } } },
      expected: { fault: { abort: { httpStatus: 200, grpcStatus: 0, percentage: 100 } } },
    },
    {
      name: "faults of no requests",
      more: { fault: { abort: { httpStatus: 503, percentage: {} } } },
      expected: { fault: { abort: { httpStatus: 503, percentage: 0 } } },
    },
  ])("is $name", ({ more, expected }) => {
    expect(only(more)).toEqual({ refusal: "", ...expected });
  });

  it.each([
    { name: "a path", redirect: { uri: "/x" }, expected: { uri: "/x", code: 301 } },
    {
      name: "all parts",
      redirect: { uri: "/x", authority: "b", scheme: "https", port: 8443, redirectCode: 308 },
      expected: { uri: "/x", authority: "b", scheme: "https", port: 8443, code: 308 },
    },
    {
      name: "the port of the request",
      redirect: { derivePort: "FROM_REQUEST_PORT" },
      expected: { port: 8080, code: 301 },
    },
    {
      name: "the port of the protocol",
      redirect: { scheme: "https", derivePort: "FROM_PROTOCOL_DEFAULT" },
      expected: { scheme: "https", port: 443, code: 301 },
    },
  ])("is a redirect to $name", ({ redirect, expected }) => {
    const route = routeOf({ redirect });
    expect(route).toMatchObject({ targets: [], refusal: "" });
    expect(route?.redirect).toEqual(expected);
  });

  it("applies only to a target's requests if the target defines it", () => {
    const destination = { host: HOST, port: { number: 8080 } };
    const headers = { request: { add: { "X-A": "1", host: "b" } } };
    const route = routeOf({ route: [{ destination, headers }] });
    expect(route?.targets[0]).toMatchObject({
      authority: "b",
      headers: { request: { ...NOTHING, add: [{ name: "x-a", value: "1" }] }, response: NOTHING },
    });
    expect(route?.headers).toBeUndefined();
  });
});
