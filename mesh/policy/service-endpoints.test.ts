import { describe, expect, it } from "vitest";
import type { ResourceSet } from "../resources/resource-set.ts";
import {
  createTestSet,
  findTestPod,
  TEST_SETTINGS,
  testPod,
  testService,
  testSlice,
} from "../resources/resource-set-fixture.ts";
import { decideDestination } from "./destinations/destination.ts";
import { decideInbound } from "./inbound.ts";
import { findServiceEndpoints } from "./service-endpoints.ts";

const DB = testService({ name: "db", spec: { selector: {} } });
const POD = testPod({ name: "srv", ip: "10.0.0.7", serviceAccount: "srv" });
const KEPT = { "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io" };

function endpointsOf(set: ResourceSet, key = "ns1/db"): readonly string[] | undefined {
  const service = set.services.get(key);
  const [port] = service?.spec.ports ?? [];
  if (service === undefined || port === undefined) throw new Error(`no service ${key} with a port`);
  return findServiceEndpoints(set, service, port)?.map(
    ({ ip, port: number, pod }) => `${pod?.metadata.name ?? "unknown"} ${ip}:${number}`,
  );
}

describe("the endpoints of a service without a selector", () => {
  it("are those of all its slices, whose ports may differ; a pod's address resolves to the pod", () => {
    const set = createTestSet(
      DB,
      POD,
      testSlice({ service: "db", endpoints: [{ addresses: ["10.0.0.7"] }] }),
      testSlice({
        service: "db",
        name: "db-2",
        endpoints: [{ addresses: ["192.0.2.5"] }],
        ports: [{ name: "http", port: 9090 }],
      }),
    );
    expect(endpointsOf(set)).toEqual(["srv 10.0.0.7:8080", "unknown 192.0.2.5:9090"]);
  });

  it.each([
    { name: "ready is true", conditions: { ready: true }, isEndpoint: true },
    { name: "there are no conditions", conditions: {}, isEndpoint: true },
    { name: "ready is null", conditions: { ready: null }, isEndpoint: true },
    { name: "ready is false", conditions: { ready: false }, isEndpoint: false },
    { name: "it is still ready while terminating", conditions: { ready: true, terminating: true }, isEndpoint: true },
    { name: "it serves, but is not ready", conditions: { ready: false, serving: true } },
    { name: "it terminates and does not serve", conditions: { ready: false, serving: false, terminating: true } },
    { name: "it terminates and nothing says that it serves", conditions: { ready: false, terminating: true } },
  ])("accept new connections if $name: $isEndpoint", ({ conditions, isEndpoint = false }) => {
    const set = createTestSet(DB, testSlice({ service: "db", endpoints: [{ addresses: ["192.0.2.5"], conditions }] }));
    expect(endpointsOf(set)).toEqual(isEndpoint ? ["unknown 192.0.2.5:8080"] : []);
  });

  it("are those that serve while terminating only if none is ready", () => {
    const ending = { addresses: ["192.0.2.5"], conditions: { ready: false, serving: true, terminating: true } };
    const ready = testSlice({ service: "db", name: "db-2", endpoints: [{ addresses: ["192.0.2.6"] }] });
    const slice = testSlice({ service: "db", endpoints: [ending] });
    expect(endpointsOf(createTestSet(DB, slice))).toEqual(["unknown 192.0.2.5:8080"]);
    expect(endpointsOf(createTestSet(DB, slice, ready))).toEqual(["unknown 192.0.2.6:8080"]);
  });

  it.each([
    { name: "of another name", ports: [{ name: "admin", port: 8080 }], expected: [] },
    { name: "of another protocol", ports: [{ name: "http", port: 8080, protocol: "UDP" }], expected: [] },
    { name: "without a number, which means every port", ports: [{ name: "http" }], expected: ["srv 10.0.0.7:8080"] },
  ])("use a slice's port $name", ({ ports, expected }) => {
    const set = createTestSet(DB, POD, testSlice({ service: "db", endpoints: [{ addresses: ["10.0.0.7"] }], ports }));
    expect(endpointsOf(set)).toEqual(expected);
  });

  it("exclude slices of other namespaces, slices without the label, and host names", () => {
    const endpoints = [{ addresses: ["10.0.0.7"] }];
    const set = createTestSet(
      DB,
      POD,
      testSlice({ service: "db", name: "a", namespace: "ns2", endpoints }),
      testSlice({ service: "db", name: "b", labels: { "kubernetes.io/service-name": "" }, endpoints }),
      testSlice({ service: "db", name: "c", addressType: "FQDN", endpoints: [{ addresses: ["db.example.com"] }] }),
    );
    expect(endpointsOf(set)).toEqual([]);
  });

  it("are unknown without slices, and empty if slices list none", () => {
    expect(endpointsOf(createTestSet(DB))).toBeUndefined();
    expect(endpointsOf(createTestSet(DB, testSlice({ service: "db", endpoints: [] })))).toEqual([]);
  });

  it("are those of an Endpoints object with its name, as Kubernetes mirrors it", () => {
    const object = (labels: object) =>
      JSON.stringify({
        apiVersion: "v1",
        kind: "Endpoints",
        metadata: { name: "db", namespace: "ns1", labels },
        subsets: [
          {
            addresses: [{ ip: "10.0.0.7" }, { ip: "fd00::7" }],
            notReadyAddresses: [{ ip: "10.0.0.8" }],
            ports: [{ name: "http", port: 8080 }],
          },
        ],
      });
    expect(endpointsOf(createTestSet(DB, POD, object({})))).toEqual(["srv 10.0.0.7:8080", "unknown fd00::7:8080"]);
    const skipped = object({ "endpointslice.kubernetes.io/skip-mirror": "true" });
    expect(endpointsOf(createTestSet(DB, POD, skipped))).toBeUndefined();
    const picking = testService({ name: "db" });
    expect(endpointsOf(createTestSet(picking, POD, object({})))).toEqual([]);
  });
});

describe("a pod that a slice refers to", () => {
  const named = (targetRef: object) =>
    testSlice({
      service: "db",
      endpoints: [{ addresses: ["10.0.0.7"], targetRef: { kind: "Pod", namespace: "ns1", ...targetRef } }],
    });

  it("is the endpoint", () => {
    expect(endpointsOf(createTestSet(DB, POD, named({ name: "srv" })))).toEqual(["srv 10.0.0.7:8080"]);
  });

  it("is not an endpoint if its address now belongs to another pod, whose identity is not accepted", () => {
    expect(endpointsOf(createTestSet(DB, POD, named({ name: "missing" })))).toEqual([]);
  });

  it("is not an endpoint while it is unknown, so that nothing is sent to it in plaintext", () => {
    expect(endpointsOf(createTestSet(DB, named({ name: "srv" })))).toEqual([]);
  });

  it("is not an endpoint if it was recreated with the same name", () => {
    const pod = testPod({ name: "srv", ip: "10.0.0.7", metadata: { uid: "new" } });
    expect(endpointsOf(createTestSet(DB, pod, named({ name: "srv", uid: "old" })))).toEqual([]);
    expect(endpointsOf(createTestSet(DB, pod, named({ name: "srv", uid: "new" })))).toEqual(["srv 10.0.0.7:8080"]);
  });
});

describe("the endpoints of a service with a selector", () => {
  const SRV = testService({ name: "srv" });
  const other = testSlice({ service: "srv", name: "by-hand", endpoints: [{ addresses: ["192.0.2.5"] }] });

  it("are its pods, and additional addresses in slices", () => {
    expect(endpointsOf(createTestSet(SRV, POD, other), "ns1/srv")).toEqual([
      "srv 10.0.0.7:8080",
      "unknown 192.0.2.5:8080",
    ]);
  });

  it("are only the slices if Kubernetes' controller manages them", () => {
    const kept = testSlice({ service: "srv", labels: KEPT, endpoints: [] });
    expect(endpointsOf(createTestSet(SRV, POD, kept, other), "ns1/srv")).toEqual(["unknown 192.0.2.5:8080"]);
  });

  it("are listed once, in however many slices they are", () => {
    const again = testSlice({ service: "srv", endpoints: [{ addresses: ["10.0.0.7"] }] });
    expect(endpointsOf(createTestSet(SRV, POD, again), "ns1/srv")).toEqual(["srv 10.0.0.7:8080"]);
  });

  it("include pods that are not ready if it publishes them", () => {
    const unready = testPod({ name: "srv", status: { conditions: [{ type: "Ready", status: "False" }] } });
    expect(endpointsOf(createTestSet(SRV, unready), "ns1/srv")).toEqual([]);
    const publishing = testService({ name: "srv", spec: { publishNotReadyAddresses: true } });
    expect(endpointsOf(createTestSet(publishing, unready), "ns1/srv")).toEqual(["srv 10.0.0.1:8080"]);
  });
});

describe("a pod behind a service without a selector", () => {
  const slice = testSlice({ service: "db", endpoints: [{ addresses: ["10.0.0.7"] }] });
  const target = (ip: string) =>
    ({
      settings: TEST_SETTINGS,
      client: { namespace: "ns1", labels: {} },
      target: { kind: "address", ip, port: 8080 },
    }) as const;

  it.each([
    { name: "the service's address", ip: "10.96.0.1" },
    { name: "the pod's own", ip: "10.0.0.7" },
  ])("is called over mutual TLS, with its identity, at $name", ({ ip }) => {
    const destination = decideDestination({ set: createTestSet(DB, POD, slice), ...target(ip) });
    expect(destination).toMatchObject({
      kind: "mesh",
      host: "db.ns1.svc.cluster.local",
      protocol: "http",
      identities: ["spiffe://cluster.local/ns/ns1/sa/srv"],
      endpoints: [{ ip: "10.0.0.7", port: 8080, mutualTls: true }],
    });
  });

  it("is recognised by the address that the service shares with it, even without a slice", () => {
    const shared = testService({ name: "db", clusterIP: "10.0.0.7", spec: { selector: {} } });
    const destination = decideDestination({ set: createTestSet(shared, POD), ...target("10.0.0.7") });
    expect(destination).toMatchObject({ endpoints: [{ ip: "10.0.0.7", mutualTls: true }] });
  });

  it("uses the declared protocol of a service in its namespace", () => {
    const set = createTestSet(DB, POD, slice);
    const inbound = decideInbound({ set, settings: TEST_SETTINGS, pod: findTestPod(set, "ns1/srv") });
    expect(inbound.ports).toMatchObject([{ port: 8080, protocol: "http", service: { name: "db", namespace: "ns1" } }]);
  });

  it("ignores declarations of services in other namespaces", () => {
    const elsewhere = testService({ name: "db", namespace: "ns2", spec: { selector: {} } });
    const there = testSlice({ service: "db", namespace: "ns2", endpoints: [{ addresses: ["10.0.0.7"] }] });
    const set = createTestSet(elsewhere, POD, there);
    const inbound = decideInbound({ set, settings: TEST_SETTINGS, pod: findTestPod(set, "ns1/srv") });
    expect(inbound.ports).toMatchObject([{ port: 8080, protocol: undefined, service: undefined }]);
  });

  it("of a dual-stack service is called at its address of the dialled family", () => {
    const set = createTestSet(
      testService({ name: "db", spec: { selector: {}, clusterIPs: ["10.96.0.1", "fd00::1"] } }),
      slice,
      testSlice({ service: "db", name: "db-6", addressType: "IPv6", endpoints: [{ addresses: ["fd00::7"] }] }),
    );
    expect(decideDestination({ set, ...target("10.96.0.1") })).toMatchObject({ endpoints: [{ ip: "10.0.0.7" }] });
    expect(decideDestination({ set, ...target("fd00::1") })).toMatchObject({ endpoints: [{ ip: "fd00::7" }] });
  });
});
