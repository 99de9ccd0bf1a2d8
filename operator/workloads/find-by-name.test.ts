import { describe, expect, it } from "vitest";
import { createTestSet, TEST_SETTINGS, testPod, testService } from "../../mesh/resources/resource-set-fixture.ts";
import { findPod, findService } from "./find-by-name.ts";

const set = createTestSet(
  testPod({
    name: "web-5d-x1",
    namespace: "ns1",
    labels: { "pod-template-hash": "5d" },
    metadata: { ownerReferences: [{ kind: "ReplicaSet", name: "web-5d" }] },
  }),
  testPod({ name: "a.b", namespace: "ns1" }),
  testPod({ name: "both", namespace: "ns1" }),
  testPod({ name: "both", namespace: "ns2" }),
  testService({ name: "web", namespace: "ns1" }),
  testService({ name: "both", namespace: "ns1" }),
  testService({ name: "both", namespace: "ns2" }),
);

const podNamed = (text: string, namespace?: string) => {
  const { metadata } = findPod(set, text, namespace);
  return `${metadata.name} in ${metadata.namespace}`;
};
const serviceNamed = (text: string, namespace?: string) => {
  const { metadata } = findService({ set, settings: TEST_SETTINGS }, text, namespace);
  return `${metadata.name} in ${metadata.namespace}`;
};

describe("a pod's name", () => {
  it.each([
    { text: "web-5d-x1", found: "web-5d-x1 in ns1" },
    { text: "web-5d-x1.ns1", found: "web-5d-x1 in ns1" },
    { text: "web", found: "web-5d-x1 in ns1" },
    { text: "a.b", found: "a.b in ns1" },
    { text: "a.b.ns1", found: "a.b in ns1" },
    { text: "both.ns2", found: "both in ns2" },
    { text: "both", namespace: "ns2", found: "both in ns2" },
  ])("$text in $namespace", ({ text, namespace, found }) => {
    expect(podNamed(text, namespace)).toBe(found);
  });

  it.each([
    { text: "both", message: "say both.ns1 or both.ns2" },
    { text: "nobody", message: "there is no pod nobody; there is a.b.ns1" },
    { text: "web", namespace: "ns2", message: "there is no pod web in namespace ns2; there is both.ns2" },
  ])("$text in $namespace is refused", ({ text, namespace, message }) => {
    expect(() => podNamed(text, namespace)).toThrow(message);
  });
});

describe("a service's name", () => {
  it.each([
    { text: "web", found: "web in ns1" },
    { text: "both.ns2", namespace: "ns1", found: "both in ns2" },
    { text: "both.ns2.svc.cluster.local", found: "both in ns2" },
    { text: "both", namespace: "ns1", found: "both in ns1" },
  ])("$text in $namespace", ({ text, namespace, found }) => {
    expect(serviceNamed(text, namespace)).toBe(found);
  });

  it.each([
    { text: "both", message: "say both.ns1 or both.ns2" },
    { text: "we", message: "there is no service we; there is both.ns1" },
  ])("$text is refused", ({ text, message }) => {
    expect(() => serviceNamed(text)).toThrow(message);
  });
});
