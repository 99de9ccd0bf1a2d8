import { describe, expect, it } from "vitest";
import { tagOfPodName } from "../../mesh/identity/pod-tag.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { createTestSet, testPod } from "../../mesh/resources/resource-set-fixture.ts";
import { createTagLookup, findPodNamed, findPodsAt } from "./known-pods.ts";

const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const set = createTestSet(
  testPod({ name: "hello-1", serviceAccount: "hello", ip: "10.0.0.1" }),
  testPod({ name: "hello-2", serviceAccount: "hello", ip: "10.0.0.2", status: { podIPs: [{ ip: "fd00::2" }] } }),
  testPod({ name: "hello-3", serviceAccount: "hello", ip: "10.0.0.3", status: { phase: "Succeeded" } }),
  testPod({ name: "world-1", serviceAccount: "world", ip: "10.0.0.4" }),
  testPod({ name: "hello-5", serviceAccount: "hello", ip: "10.0.0.5", namespace: "ns2" }),
  testPod({
    ...{ name: "hello-6", serviceAccount: "hello", ip: "10.0.0.6" },
    metadata: { deletionTimestamp: "2030-01-01T00:00:00Z" },
  }),
);

describe("an address", () => {
  it.each([
    { name: "of a pod of the account", address: "10.0.0.1", expected: 1 },
    { name: "of its second pod's second family", address: "fd00::2", expected: 1 },
    { name: "of a pod that drains", address: "10.0.0.6", expected: 1 },
    { name: "of a pod that has ended", address: "10.0.0.3", expected: 0 },
    { name: "of another account's pod", address: "10.0.0.4", expected: 0 },
    { name: "of the same account's name in another namespace", address: "10.0.0.5", expected: 0 },
    { name: "of nobody", address: "10.0.0.9", expected: 0 },
    { name: "that is not known", address: "", expected: 0 },
  ])("$name is that of $expected pods of the account", ({ address, expected }) => {
    expect(findPodsAt(set, HELLO, address)).toHaveLength(expected);
  });
});

it.each([
  { name: "of a pod of the account", pod: "hello-1", expected: true },
  { name: "of a pod that drains", pod: "hello-6", expected: true },
  { name: "of a pod that has ended", pod: "hello-3", expected: false },
  { name: "of another account's pod", pod: "world-1", expected: false },
  { name: "of the account's name in another namespace", pod: "hello-5", expected: false },
  { name: "of no pod", pod: "gone", expected: false },
])("a tag $name is known: $expected", ({ pod, expected }) => {
  const isKnown = createTagLookup(tagOfPodName);
  const namespace = pod === "hello-5" ? "ns2" : "ns1";
  for (let count = 0; count < 2; count += 1) {
    expect(isKnown(set, HELLO, tagOfPodName({ namespace, name: pod }))).toBe(expected);
  }
});

it("a pod of a name is found with its uid, or it is known that there is none", () => {
  const [own] = set.pods.values();
  const find = findPodNamed(set);
  expect(find({ namespace: "ns1", name: "hello-1" })).toEqual({
    ...{ namespace: "ns1", name: "hello-1" },
    ...(own?.metadata.uid !== undefined && { uid: own.metadata.uid }),
  });
  expect(find({ namespace: "ns2", name: "hello-1" })).toBe("none");
  expect(findPodNamed(undefined)({ namespace: "ns1", name: "hello-1" })).toBe("unknown");
});
