import { describe, expect, it } from "vitest";
import { tagOfPodName, tagOfPodUid } from "../../mesh/identity/pod-tag.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";
import { createTestSet, testPod } from "../../mesh/resources/resource-set-fixture.ts";
import { createTagLookup, findPod, findPodsAt } from "./known-pods.ts";

const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const set = createTestSet(
  testPod({ name: "hello-1", serviceAccount: "hello", ip: "10.0.0.1" }),
  testPod({ name: "hello-2", serviceAccount: "hello", ip: "10.0.0.2", status: { podIPs: [{ ip: "fd00::2" }] } }),
  testPod({ name: "hello-3", serviceAccount: "hello", ip: "10.0.0.3", status: { phase: "Succeeded" } }),
  testPod({ name: "world-1", serviceAccount: "world", ip: "10.0.0.4" }),
  testPod({ name: "hello-7", serviceAccount: "hello", ip: "10.0.0.7", spec: { hostNetwork: true } }),
  testPod({ name: "hello-8", serviceAccount: "hello", ip: "10.0.0.7", spec: { hostNetwork: true } }),
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
    { name: "of the node of two pods", address: "10.0.0.7", expected: 2 },
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

describe("tags that are looked up again and again", () => {
  const POD_COUNT = 200;
  const podNamed = (name: string, phase = "Running") =>
    testPod({ name, serviceAccount: "hello", ip: "10.0.0.1", status: { phase } });
  const many = createTestSet(...Array.from({ length: POD_COUNT }, (_, number) => podNamed(`hello-${number}`)));
  const tagOf = (name: string) => tagOfPodName({ namespace: "ns1", name });

  /** Counts how often a pod of the namespace is looked at. */
  function counted({ index, ...maps }: ResourceSet) {
    const reads = { count: 0 };
    const pods = new Proxy(index.podsByNamespace.get("ns1") ?? [], {
      get: (target, key) => {
        if (typeof key === "string" && /^\d+$/.test(key)) reads.count += 1;
        return Reflect.get(target, key);
      },
    });
    return { reads, set: { ...maps, index: { ...index, podsByNamespace: new Map([["ns1", pods]]) } } };
  }

  it("cost one look at each pod, whether they are known or not", () => {
    const { reads, set: watched } = counted(many);
    const isKnown = createTagLookup(tagOfPodName);
    for (let round = 0; round < 5; round += 1) {
      expect(isKnown(watched, HELLO, tagOf("hello-7"))).toBe(true);
      expect(isKnown(watched, HELLO, tagOf("gone"))).toBe(false);
      // An address costs none.
      expect(findPodsAt(watched, HELLO, "10.0.0.1")).toHaveLength(POD_COUNT);
    }
    expect(reads.count).toBe(POD_COUNT);
  });

  it("follow a pod that is created, ends, is deleted and created again", () => {
    const isKnown = createTagLookup(tagOfPodName);
    const look = (...pods: readonly string[]) =>
      isKnown(createTestSet(podNamed("hello-1"), ...pods), HELLO, tagOf("new"));
    expect([look(), look(podNamed("new")), look(podNamed("new", "Failed")), look(), look(podNamed("new"))]).toEqual([
      ...[false, true, false, false, true],
    ]);
    expect(isKnown(createTestSet(), HELLO, tagOf("new"))).toBe(false);
  });

  it("are those of the present pod of a name alone", () => {
    const isKnown = createTagLookup(({ uid }) => tagOfPodUid(uid ?? ""));
    const withUid = (uid: string) =>
      createTestSet(testPod({ name: "hello-1", serviceAccount: "hello", metadata: { uid } }));
    expect(isKnown(withUid("u1"), HELLO, tagOfPodUid("u1"))).toBe(true);
    expect(isKnown(withUid("u2"), HELLO, tagOfPodUid("u1"))).toBe(false);
    expect(isKnown(withUid("u2"), HELLO, tagOfPodUid("u2"))).toBe(true);
  });
});

it("a pod of a name is found with its uid, or it is known that there is none", () => {
  const [own] = set.pods.values();
  const find = findPod(set);
  expect(find({ namespace: "ns1", name: "hello-1" })).toEqual({
    ...{ namespace: "ns1", name: "hello-1" },
    ...(own?.metadata.uid !== undefined && { uid: own.metadata.uid }),
  });
  expect(find({ namespace: "ns2", name: "hello-1" })).toBe("none");
  expect(findPod(undefined)({ namespace: "ns1", name: "hello-1" })).toBe("unknown");
});

it("a pod is found by its uid under whichever name it was given, and before another one of that name", () => {
  const pods = createTestSet(
    testPod({ name: "web", serviceAccount: "web", ip: "10.0.0.1", metadata: { uid: "u1" } }),
    testPod({ name: "other", serviceAccount: "web", ip: "10.0.0.2", metadata: { uid: "u2" } }),
  );
  const find = findPod(pods);
  const web = { namespace: "ns1", name: "web", uid: "u1" };
  expect(find({ namespace: "ns9", name: "typo", uid: "u1" })).toEqual(web);
  expect(find({ namespace: "ns1", name: "other", uid: "u1" })).toEqual(web);
  expect(find({ namespace: "ns1", name: "web", uid: "u0" })).toEqual(web);
  expect(find({ namespace: "ns1", name: "typo", uid: "u0" })).toBe("none");
});
