import { describe, expect, it } from "vitest";
import { reviewAdmission } from "../admission-review.ts";
import { createPod, type Json, TEST_DEPS } from "../pod-fixture.ts";

function responseTo(spec: Json, metadata: Json = {}): unknown {
  const request = { uid: "1", kind: { kind: "Pod" }, operation: "CREATE", object: createPod(metadata, spec) };
  const text = JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request });
  const result = reviewAdmission(text, TEST_DEPS);
  return result.kind === "reviewed" ? result.review.response : result;
}

function affinity(...terms: readonly unknown[]): Json {
  const required = { nodeSelectorTerms: terms };
  return { affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: required } } };
}

const os = (operator: string, ...values: readonly string[]) => ({
  matchExpressions: [
    { key: "disk", operator: "Exists" },
    { key: "kubernetes.io/os", operator, values },
  ],
});

describe("a pod that cannot run the sidecar is not injected, with a warning that gives the reason", () => {
  it.each([
    { name: "its operating system is Windows", spec: { os: { name: "windows" } }, expected: "spec.os.name is windows" },
    {
      name: "it selects Windows nodes",
      spec: { nodeSelector: { "kubernetes.io/os": "windows" } },
      expected: "the nodeSelector has kubernetes.io/os: windows",
    },
    {
      name: "it selects Windows nodes by the older label",
      spec: { nodeSelector: { "beta.kubernetes.io/os": "windows" } },
      expected: "the nodeSelector has beta.kubernetes.io/os: windows",
    },
    {
      name: "its affinity requires Windows",
      spec: affinity(os("In", "windows")),
      expected: "the node affinity excludes",
    },
    {
      name: "each term of its affinity excludes Linux",
      spec: affinity(os("In", "windows"), os("NotIn", "linux", "x")),
      expected: "the node affinity excludes",
    },
    { name: "it uses the host's network", spec: { hostNetwork: true }, expected: "the host's network" },
    {
      name: "it is the mirror of a static pod",
      spec: {},
      metadata: { annotations: { "kubernetes.io/config.mirror": "1" } },
      expected: "the pod is static",
    },
    {
      name: "it requests a sidecar anyway",
      spec: { os: { name: "windows" } },
      metadata: { labels: { "sidecar.istio.io/inject": "true" } },
      expected: "spec.os.name is windows",
    },
  ])("if $name", ({ spec, metadata, expected }) => {
    expect(responseTo(spec, metadata)).toEqual({
      uid: "1",
      allowed: true,
      warnings: [expect.stringMatching(new RegExp(`^no sidecar is injected: .*${expected}`))],
    });
  });

  it("but without a warning if it opted out", () => {
    const metadata = { annotations: { "sidecar.istio.io/inject": "false" } };
    expect(responseTo({ os: { name: "windows" } }, metadata)).toEqual({ uid: "1", allowed: true });
  });

  it.each([
    {
      name: "its operating system is Linux",
      spec: { os: { name: "linux" }, nodeSelector: { "kubernetes.io/os": "linux" } },
    },
    { name: "it selects nodes by other labels", spec: { nodeSelector: { disk: "windows" } } },
    { name: "its affinity allows Linux too", spec: affinity(os("In", "windows", "linux")) },
    { name: "one term of its affinity allows Linux", spec: affinity(os("In", "windows"), { matchExpressions: [] }) },
    { name: "it has no affinity", spec: { affinity: null, nodeSelector: null, os: null } },
  ])("and it is injected if $name", ({ spec }) => {
    expect(responseTo(spec)).toMatchObject({ patchType: "JSONPatch" });
    expect(responseTo(spec)).not.toHaveProperty("warnings");
  });
});
