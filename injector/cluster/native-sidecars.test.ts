import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { InjectorCluster, refused } from "./injector-cluster-fixture.ts";
import { chooseNativeSidecars, kubeletVersionOf, supportNativeSidecars } from "./native-sidecars.ts";

const node = (kubeletVersion?: string, operatingSystem = "linux") =>
  kubeletVersionOf({
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "n" },
    ...(kubeletVersion !== undefined && { status: { nodeInfo: { kubeletVersion, operatingSystem } } }),
  });

describe("native sidecars are chosen", () => {
  it.each([
    { name: "if every kubelet knows them", nodes: [node("v1.29.0"), node("v1.34.3+k3s1")], expected: true },
    {
      name: "for versions of a provider",
      nodes: [node("v1.31.4-gke.1256000"), node("v1.30.9-eks-aeac579")],
      expected: true,
    },
    { name: "for a new major version", nodes: [node("v2.0.0")], expected: true },
    { name: "not if one kubelet is older", nodes: [node("v1.34.3"), node("v1.28.15")], expected: false },
    { name: "not if a kubelet has no version", nodes: [node("v1.34.3"), node()], expected: false },
    { name: "not if a version is no version", nodes: [node("latest")], expected: false },
    { name: "not without nodes", nodes: [], expected: false },
    {
      name: "whatever nodes have that cannot run a sidecar",
      nodes: [node("v1.34.3"), node("v1.20.0", "windows")],
      expected: true,
    },
  ])("$name", ({ nodes, expected }) => {
    expect(supportNativeSidecars(nodes.filter((one) => one !== undefined))).toBe(expected);
  });
});

it("injection does not wait for nodes that it may not read", async () => {
  const cluster = new InjectorCluster();
  cluster.failure = refused(403, "Forbidden");
  const clock = new FakeClock();
  const log = new RecordingLogger();
  const controller = new AbortController();
  const deps = { api: cluster.api, clock, random: () => 0.5, log, signal: controller.signal };
  const supportsNative = chooseNativeSidecars("auto", deps);
  await clock.advance(19_000);
  expect(supportsNative()).toBeUndefined();
  await clock.advance(2_000);
  expect(supportsNative()).toBe(false);
  expect(log.find("the nodes are not known yet")).toHaveLength(1);
  controller.abort();
});
