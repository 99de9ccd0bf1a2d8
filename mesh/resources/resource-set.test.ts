import { describe, expect, it } from "vitest";
import { parseResources } from "./parsing/parse-resources.ts";
import { createResourceSet } from "./resource-set.ts";
import { createTestSet, testPod, testService } from "./resource-set-fixture.ts";

/** A set from files that are applied one after another. */
function applied(...files: readonly string[]) {
  return createResourceSet(files.flatMap((text, index) => parseResources({ text, file: `${index}.yaml` }).resources));
}

describe("a resource that occurs again", () => {
  it("has its labels and annotations merged, as with `kubectl label`", () => {
    const set = applied(
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: ns1, labels: {a: b, c: d}, annotations: {x: z}}",
      "apiVersion: v1\nkind: Namespace\nmetadata: {name: ns1, labels: {istio-injection: enabled, c: e}}",
    );
    expect(set.namespaces.get("ns1")?.metadata).toMatchObject({
      labels: { a: "b", c: "e", "istio-injection": "enabled" },
      annotations: { x: "z" },
    });
    expect(set.namespaces.size).toBe(1);
  });

  it("keeps its specification and status if the later document has none", () => {
    const set = applied(
      testPod({ name: "a", ip: "10.0.0.5" }),
      "apiVersion: v1\nkind: Pod\nmetadata: {name: a, namespace: ns1, labels: {x: z}}",
    );
    const pod = set.pods.get("ns1/a");
    expect(pod).toMatchObject({ metadata: { labels: { app: "a", x: "z" } }, status: { podIP: "10.0.0.5" } });
    expect(pod?.spec.containers).toHaveLength(1);
    expect(set.index.podByIp.get("10.0.0.5")).toBe(pod);
  });

  it("has its specification replaced completely if the later document has one", () => {
    const service = (spec: string) => `apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: ${spec}`;
    const set = applied(service("{selector: {a: b}, clusterIP: 10.0.0.1}"), service("{ports: [{port: 80}]}"));
    expect(set.services.get("default/a")?.spec).toMatchObject({ ports: [{ port: 80 }] });
    expect(set.services.get("default/a")?.spec.selector).toBeUndefined();
  });

  it("keeps the unsupported fields of a specification that is kept", () => {
    const header = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata:";
    const set = applied(`${header} {name: a}\nspec: {odd: 1}`, `${header} {name: a, labels: {x: z}}`);
    expect(set.peerAuthentications.get("default/a")?.unsupported).toEqual(["spec.odd"]);
  });

  it("is a different one in another namespace", () => {
    expect(applied(testPod({ name: "a", namespace: "ns1" }), testPod({ name: "a", namespace: "ns2" })).pods.size).toBe(
      2,
    );
  });
});

describe("the index", () => {
  it("finds services by each of their addresses, and headless ones by none", () => {
    const set = createTestSet(
      testService({ name: "a", clusterIP: "10.96.0.1", spec: { clusterIPs: ["10.96.0.1", "fd00::1"] } }),
      testService({ name: "b", clusterIP: "None" }),
    );
    expect([...set.index.serviceByIp.keys()]).toEqual(["10.96.0.1", "fd00::1"]);
  });

  it("assigns an address to the pod that runs, not to one that terminates", () => {
    const leaving = testPod({ name: "old", metadata: { deletionTimestamp: "2026-01-01T00:00:00Z" } });
    const names = [createTestSet(leaving, testPod({ name: "new" })), createTestSet(testPod({ name: "new" }), leaving)];
    expect(names.map((set) => set.index.podByIp.get("10.0.0.1")?.metadata.name)).toEqual(["new", "new"]);
  });
});
