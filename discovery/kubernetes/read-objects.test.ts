import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { decideDestination } from "../../mesh/policy/destinations/destination.ts";
import { decideInbound } from "../../mesh/policy/inbound.ts";
import { parseResources } from "../../mesh/resources/parsing/parse-resources.ts";
import { createResourceSet, type ResourceSet } from "../../mesh/resources/resource-set.ts";
import { TEST_SETTINGS, testPod, testService, testSlice } from "../../mesh/resources/resource-set-fixture.ts";
import { readObject } from "./followed-object.ts";

function setOf(...texts: readonly string[]): ResourceSet {
  const objects = texts.map((text): KubernetesObject => JSON.parse(text));
  return createResourceSet(objects.flatMap((object) => readObject(object)?.resource ?? []));
}

function endpoints(set: ResourceSet, address: string, port = 8080): readonly string[] | string {
  const found = decideDestination({
    set,
    settings: TEST_SETTINGS,
    client: { namespace: "ns1", labels: {} },
    target: { kind: "address", ip: address, port },
  });
  if (found.kind !== "mesh") return found.kind;
  return found.endpoints.map(({ ip, port: number, mutualTls }) => `${ip}:${number}${mutualTls ? " mTLS" : ""}`);
}

const KEPT = { "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io" };
const listed = (address: string, conditions: object = {}) => ({ addresses: [address], conditions });

describe("the endpoints of a Service of the API server", () => {
  const pods = [testPod({ name: "one", ip: "10.0.0.1" }), testPod({ name: "two", ip: "10.0.0.2", meshed: false })];
  const slice = (name: string, addresses: readonly object[], more: object = {}) =>
    testSlice({ name, service: "web", labels: KEPT, endpoints: addresses.map((one) => ({ ...one })), ...more });

  it.each([
    {
      name: "are the ready ones of all its slices, each with the port of its slice",
      service: testService({ name: "web" }),
      slices: [
        slice("a", [listed("10.0.0.1"), listed("10.0.0.9", { ready: false })]),
        slice("b", [listed("10.0.0.2", { ready: null })], { ports: [{ name: "http", port: 9090, protocol: "TCP" }] }),
      ],
      expected: ["10.0.0.1:8080 mTLS", "10.0.0.2:9090"],
    },
    {
      name: "are those that end, as long as none is ready",
      service: testService({ name: "web" }),
      slices: [slice("a", [listed("10.0.0.1", { ready: false, serving: true, terminating: true })])],
      expected: ["10.0.0.1:8080 mTLS"],
    },
    {
      name: "include unready pods that the controller publishes as ready",
      service: testService({ name: "web", spec: { publishNotReadyAddresses: true } }),
      slices: [slice("a", [listed("10.0.0.1", { ready: true, serving: true })])],
      expected: ["10.0.0.1:8080 mTLS"],
    },
    {
      name: "are listed by hand for one without a selector",
      service: testService({ name: "web", spec: { selector: null } }),
      slices: [slice("a", [listed("192.0.2.1"), listed("10.0.0.1")], { labels: {} })],
      expected: ["192.0.2.1:8080", "10.0.0.1:8080 mTLS"],
    },
  ])("$name", ({ service, slices, expected }) => {
    expect(endpoints(setOf(...pods, service, ...slices), "10.96.0.1")).toEqual(expected);
  });

  it("are of the dialled family for one with two", () => {
    const addresses = { podIP: "10.0.0.1", podIPs: [{ ip: "10.0.0.1" }, { ip: "fd00::1" }] };
    const set = setOf(
      testPod({ name: "one", status: addresses }),
      testService({
        name: "web",
        spec: { clusterIPs: ["10.96.0.1", "fd00:96::1"], ipFamilyPolicy: "RequireDualStack" },
      }),
      slice("a", [listed("10.0.0.1")]),
      slice("b", [listed("fd00::1")], { addressType: "IPv6" }),
    );
    expect(endpoints(set, "fd00:96::1")).toEqual(["fd00::1:8080 mTLS"]);
    expect(endpoints(set, "10.96.0.1")).toEqual(["10.0.0.1:8080 mTLS"]);
  });

  it("are the pod that is dialled for a headless one", () => {
    const set = setOf(...pods, testService({ name: "web", clusterIP: "None" }), slice("a", [listed("10.0.0.1")]));
    expect(endpoints(set, "10.0.0.1")).toEqual(["10.0.0.1:8080 mTLS"]);
  });

  it("are those of the Service that an ExternalName names", () => {
    const set = setOf(
      ...pods,
      testService({ name: "web" }),
      slice("a", [listed("10.0.0.1")]),
      testService({
        name: "alias",
        clusterIP: "",
        spec: { type: "ExternalName", externalName: "web.ns1.svc.cluster.local" },
      }),
    );
    const target = { kind: "host", host: "alias.ns1.svc.cluster.local", port: 8080, subset: "" } as const;
    const client = { namespace: "ns1", labels: {} };
    expect(decideDestination({ set, settings: TEST_SETTINGS, client, target })).toMatchObject({
      host: "web.ns1.svc.cluster.local",
      endpoints: [{ ip: "10.0.0.1" }],
    });
  });
});

describe("objects of the API server", () => {
  it("give the same resources as their YAML, whatever else they contain", () => {
    const texts = [
      testPod({ name: "one", metadata: { uid: "1", ownerReferences: [{ kind: "ReplicaSet", name: "r" }] } }),
      testService({ name: "web", spec: { sessionAffinity: "None", externalTrafficPolicy: "Local" } }),
      testSlice({ service: "web", endpoints: [{ ...listed("10.0.0.1"), nodeName: "n", zone: "z", hints: {} }] }),
    ];
    const fromYaml = createResourceSet(parseResources({ text: texts.join("\n---\n"), file: "a.yaml" }).resources);
    const read = setOf(...texts);
    expect(endpoints(read, "10.96.0.1")).toEqual(endpoints(fromYaml, "10.96.0.1"));
    const inbound = (set: ResourceSet) => {
      const pod = set.pods.get("ns1/one");
      return pod && decideInbound({ set, settings: TEST_SETTINGS, pod });
    };
    expect(inbound(read)).toEqual(inbound(fromYaml));
    expect(inbound(read)?.ports).toHaveLength(1);
  });
});
