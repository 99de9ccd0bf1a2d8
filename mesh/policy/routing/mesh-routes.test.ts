import { describe, expect, it } from "vitest";
import {
  createTestSet,
  TEST_SETTINGS,
  testPod,
  testResource,
  testService,
} from "../../resources/resource-set-fixture.ts";
import { decideDestination } from "../destinations/destination.ts";
import type { Client } from "../destinations/destination-rules.ts";
import type { DestinationTarget } from "../types.ts";
import type { HttpRoute } from "./http-route.ts";

const HOST = "world.ns2.svc.cluster.local";
const PORTS = [
  { name: "http", port: 8080 },
  { name: "http-admin", port: 9090 },
];
const WORLD = testService({ name: "world", namespace: "ns2", clusterIP: "10.96.0.2", ports: PORTS });
const POD = testPod({ name: "world-1", namespace: "ns2", ip: "10.0.0.7", labels: { app: "world" } });
const CLIENT: Client = { namespace: "ns1", labels: { app: "hello", version: "v1" } };
const TO_SERVICE: DestinationTarget = { kind: "address", ip: "10.96.0.2", port: 8080 };

interface Meta {
  readonly namespace?: string;
  readonly creationTimestamp?: string;
}

/** A VirtualService for all requests to `world`; in `ns2` unless the test sets another namespace. */
function vs(name: string, spec: object = {}, metadata: Meta = {}): string {
  return testResource(
    "VirtualService",
    name,
    { hosts: [HOST], http: [to()], ...spec },
    { namespace: "ns2", ...metadata },
  );
}

function to(more: object = {}): object {
  return { route: [{ destination: { host: HOST, port: { number: 8080 } } }], ...more };
}

function routesOf(
  resources: readonly string[],
  { client = CLIENT, target = TO_SERVICE }: { client?: Client; target?: DestinationTarget } = {},
): readonly HttpRoute[] {
  const set = createTestSet(WORLD, POD, ...resources);
  const destination = decideDestination({ set, settings: TEST_SETTINGS, client, target });
  if (destination.kind !== "mesh") throw new Error(JSON.stringify(destination));
  return destination.routes;
}

const namesOf = (...input: Parameters<typeof routesOf>) => routesOf(...input).map(({ name }) => name);

describe("a sidecar's routes to a service", () => {
  it.each([
    { name: "none without a VirtualService", resources: [], expected: [] },
    { name: "those of one without gateways", resources: [vs("a")], expected: ["a.ns2[0]"] },
    {
      name: "those of one whose host has a trailing dot and capitals",
      resources: [vs("a", { hosts: [`${HOST.toUpperCase()}.`] })],
      expected: ["a.ns2[0]"],
    },
    {
      name: "those of one whose destination has a trailing dot",
      resources: [vs("a", { http: [{ route: [{ destination: { host: `${HOST}.`, port: { number: 8080 } } }] }] })],
      expected: ["a.ns2[0]"],
    },
    { name: "those of one for `mesh`", resources: [vs("a", { gateways: ["mesh"] })], expected: ["a.ns2[0]"] },
    {
      name: "those of one for `mesh` among others",
      resources: [vs("a", { gateways: ["gw", "mesh"] })],
      expected: ["a.ns2[0]"],
    },
    { name: "none of one only for a gateway", resources: [vs("a", { gateways: ["gw"] })], expected: [] },
    { name: "a short host in its namespace", resources: [vs("a", { hosts: ["world"] })], expected: ["a.ns2[0]"] },
    {
      name: "none of a short host of another namespace",
      resources: [vs("a", { hosts: ["world"] }, { namespace: "ns1" })],
      expected: [],
    },
    { name: "none of another host", resources: [vs("a", { hosts: ["other.ns2.svc.cluster.local"] })], expected: [] },
    {
      name: "those of a host in capitals",
      resources: [vs("a", { hosts: ["WORLD.ns2.svc.cluster.local"] })],
      expected: ["a.ns2[0]"],
    },
    {
      name: "those of the most specific host",
      resources: [
        vs("any", { hosts: ["*"] }),
        vs("wide", { hosts: ["*.local"] }),
        vs("close", { hosts: ["*.ns2.svc.cluster.local"] }),
      ],
      expected: ["close.ns2[0]"],
    },
    {
      name: "those of the exact host, even if it is younger",
      resources: [vs("a", { hosts: ["*"] }), vs("b", {}, { creationTimestamp: "2026-01-01T00:00:00Z" })],
      expected: ["b.ns2[0]"],
    },
    {
      name: "only those of the oldest with one host",
      resources: [
        vs("a", {}, { creationTimestamp: "2026-01-02T00:00:00Z" }),
        vs("b", {}, { creationTimestamp: "2026-01-01T00:00:00Z" }),
      ],
      expected: ["b.ns2[0]"],
    },
    {
      name: "those of the next one if the oldest has none for this client",
      resources: [vs("a", { http: [to({ match: [{ sourceNamespace: "ns9" }] })] }), vs("b")],
      expected: ["b.ns2[0]"],
    },
    { name: "none of one without HTTP routes", resources: [vs("a", { http: [] })], expected: [] },
    { name: "none that is not exported to the client", resources: [vs("a", { exportTo: ["."] })], expected: [] },
    {
      name: "those that are exported to the client",
      resources: [vs("a", { exportTo: ["ns1"] })],
      expected: ["a.ns2[0]"],
    },
    {
      name: "those that are private to the client's namespace",
      resources: [vs("a", { exportTo: ["."] }, { namespace: "ns1" })],
      expected: ["a.ns1[0]"],
    },
  ])("are $name", ({ resources, expected }) => {
    expect(namesOf(resources)).toEqual(expected.map((name) => `VirtualService/${name}`));
  });

  it.each([
    { name: "the client's labels", match: { sourceLabels: { app: "hello" } }, isMatch: true },
    { name: "some other labels", match: { sourceLabels: { app: "hello", version: "v2" } }, isMatch: false },
    { name: "a label that the client does not have", match: { sourceLabels: { tier: "x" } }, isMatch: false },
    { name: "the client's namespace", match: { sourceNamespace: "ns1" }, isMatch: true },
    { name: "another namespace", match: { sourceNamespace: "ns2" }, isMatch: false },
    { name: "sidecars", match: { gateways: ["mesh"] }, isMatch: true },
    { name: "a gateway", match: { gateways: ["gw"] }, isMatch: false },
    { name: "sidecars of other labels", match: { gateways: ["mesh"], sourceLabels: { app: "x" } }, isMatch: false },
    { name: "this port", match: { port: 8080 }, isMatch: true },
    { name: "another port", match: { port: 9090 }, isMatch: false },
  ])("for $name: $isMatch", ({ match, isMatch }) => {
    const http = [to({ match: [{ uri: { exact: "/a" }, ...match }] })];
    expect(routesOf([vs("a", { http })])).toHaveLength(isMatch ? 1 : 0);
  });

  it("keep only matches that can apply, without conditions on the client", () => {
    const match = [
      { uri: { exact: "/a" }, sourceLabels: { app: "hello" } },
      { uri: { exact: "/b" }, sourceNamespace: "ns9" },
    ];
    const [route] = routesOf([vs("a", { http: [to({ match })] })]);
    expect(route?.matches).toEqual([
      { uri: { kind: "exact", value: "/a" }, headers: [], withoutHeaders: [], queryParams: [], ignoreUriCase: false },
    ]);
  });

  it("keep the dialled port if the target has none", () => {
    const http = [{ route: [{ destination: { host: "world" } }] }];
    const target = { ...TO_SERVICE, port: 9090 };
    expect(routesOf([vs("a", { http })], { target })[0]?.targets[0]?.target).toMatchObject({ host: HOST, port: 9090 });
  });

  it("apply only to the service's address, not to a route's own target or a pod", () => {
    const resources = [vs("a")];
    expect(routesOf(resources, { target: { kind: "host", host: HOST, port: 8080, subset: "" } })).toEqual([]);
    expect(routesOf(resources, { target: { kind: "address", ip: "10.0.0.7", port: 8080 } })).toEqual([]);
    expect(routesOf(resources)).toHaveLength(1);
  });
});
