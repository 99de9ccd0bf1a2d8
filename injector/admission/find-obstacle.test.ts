import { describe, expect, it } from "vitest";
import { answerReview } from "./answer-review.ts";
import { createPod, type Json, TEST_SETTINGS } from "./pod-fixture.ts";

function responseTo(spec: Json, metadata: Json = {}): unknown {
  const request = { uid: "1", kind: { kind: "Pod" }, operation: "CREATE", object: createPod(metadata, spec) };
  const text = JSON.stringify({ apiVersion: "admission.k8s.io/v1", kind: "AdmissionReview", request });
  const answered = answerReview(text, TEST_SETTINGS);
  return answered.kind === "answered" ? answered.review.response : answered;
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

describe("a pod that cannot run the sidecar is left as it is, with a warning that names the reason", () => {
  it.each([
    { name: "its system is Windows", spec: { os: { name: "windows" } }, said: "spec.os.name is windows" },
    {
      name: "it selects Windows nodes",
      spec: { nodeSelector: { "kubernetes.io/os": "windows" } },
      said: "the nodeSelector has kubernetes.io/os: windows",
    },
    {
      name: "it selects Windows nodes by the older label",
      spec: { nodeSelector: { "beta.kubernetes.io/os": "windows" } },
      said: "the nodeSelector has beta.kubernetes.io/os: windows",
    },
    { name: "its affinity wants Windows", spec: affinity(os("In", "windows")), said: "the node affinity excludes" },
    {
      name: "each term of its affinity excludes Linux",
      spec: affinity(os("In", "windows"), os("NotIn", "linux", "x")),
      said: "the node affinity excludes",
    },
    { name: "it uses the host's network", spec: { hostNetwork: true }, said: "the host's network" },
    {
      name: "it is a static pod's mirror",
      spec: {},
      metadata: { annotations: { "kubernetes.io/config.mirror": "1" } },
      said: "the pod is static",
    },
    {
      name: "it asks for a sidecar all the same",
      spec: { os: { name: "windows" } },
      metadata: { labels: { "sidecar.istio.io/inject": "true" } },
      said: "spec.os.name is windows",
    },
  ])("where $name", ({ spec, metadata, said }) => {
    expect(responseTo(spec, metadata)).toEqual({
      uid: "1",
      allowed: true,
      warnings: [expect.stringMatching(new RegExp(`^no sidecar is injected: .*${said}`))],
    });
  });

  it("but without one where it did not want a sidecar", () => {
    const metadata = { annotations: { "sidecar.istio.io/inject": "false" } };
    expect(responseTo({ os: { name: "windows" } }, metadata)).toEqual({ uid: "1", allowed: true });
  });

  it.each([
    { name: "its system is Linux", spec: { os: { name: "linux" }, nodeSelector: { "kubernetes.io/os": "linux" } } },
    { name: "it selects nodes by other labels", spec: { nodeSelector: { disk: "windows" } } },
    { name: "its affinity allows Linux too", spec: affinity(os("In", "windows", "linux")) },
    { name: "one term of its affinity allows Linux", spec: affinity(os("In", "windows"), { matchExpressions: [] }) },
    { name: "it has no affinity", spec: { affinity: null, nodeSelector: null, os: null } },
  ])("and it is injected where $name", ({ spec }) => {
    expect(responseTo(spec)).toMatchObject({ patchType: "JSONPatch" });
    expect(responseTo(spec)).not.toHaveProperty("warnings");
  });
});
