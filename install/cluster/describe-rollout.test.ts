import { describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { describeRollout, describeWebhooks } from "./describe-rollout.ts";

function deployment(status: object, generation = 2): KubernetesObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "istiod", namespace: "istio-system", generation },
    spec: { replicas: 2 },
    status,
  };
}

function pod(status: object): KubernetesObject {
  return { apiVersion: "v1", kind: "Pod", metadata: { name: "istiod-1", namespace: "istio-system" }, status };
}

function waiting(reason: string, more: object = {}): KubernetesObject {
  return pod({ containerStatuses: [{ state: { waiting: { reason, message: "why" } }, ...more }] });
}

const NONE = { observedGeneration: 2, updatedReplicas: 1, availableReplicas: 0 };
const CRASH = { terminated: { exitCode: 1, reason: "Error", message: "no key\n" } };

describe("a Deployment", () => {
  it.each([
    {
      name: "all of whose pods are new and available",
      status: { ...NONE, updatedReplicas: 2, availableReplicas: 2 },
      kind: "available",
    },
    { name: "without a status", status: {}, kind: "waiting" },
    {
      name: "whose change was not seen yet",
      status: { observedGeneration: 1, updatedReplicas: 2, availableReplicas: 2 },
      kind: "waiting",
    },
    {
      name: "whose available pods are of the version before",
      status: { observedGeneration: 2, updatedReplicas: 1, availableReplicas: 2 },
      kind: "waiting",
    },
  ])("$name is $kind", ({ status, kind }) => {
    expect(describeRollout(deployment(status), []).kind).toBe(kind);
  });

  it.each([
    {
      name: "the number of pods, when nothing is wrong",
      pods: [waiting("ContainerCreating")],
      kind: "waiting",
      reason: "0 of 2 pods available",
    },
    {
      name: "an image that cannot be pulled",
      pods: [waiting("ImagePullBackOff")],
      kind: "waiting",
      reason: "0 of 2 pods available: pod istiod-1 waits (ImagePullBackOff: why)",
    },
    {
      name: "an image that is not on the node",
      pods: [waiting("ErrImageNeverPull")],
      kind: "failed",
      reason: "pod istiod-1 waits (ErrImageNeverPull: why)",
    },
    {
      name: "a program that ended",
      pods: [waiting("CrashLoopBackOff", { restartCount: 1, lastState: CRASH })],
      kind: "waiting",
      reason: "0 of 2 pods available: pod istiod-1 ended with status 1 (no key); see kubectl logs --previous",
    },
    {
      name: "a program that ends again and again",
      pods: [waiting("CrashLoopBackOff", { restartCount: 3, lastState: CRASH })],
      kind: "failed",
      reason: "pod istiod-1 ended with status 1 (no key); see kubectl logs --previous",
    },
    {
      name: "a pod without a node",
      pods: [pod({ conditions: [{ type: "PodScheduled", status: "False", message: "0/1 nodes are available" }] })],
      kind: "waiting",
      reason: "0 of 2 pods available: pod istiod-1 has no node (0/1 nodes are available)",
    },
  ])("says why: $name", ({ pods, kind, reason }) => {
    expect(describeRollout(deployment(NONE), [pod({}), ...pods])).toEqual({ kind, reason });
  });

  it("whose pods are refused says by what", () => {
    const conditions = [
      { type: "Progressing", status: "False", message: "deadline" },
      { type: "ReplicaFailure", status: "True", message: "exceeded quota" },
    ];
    expect(describeRollout(deployment({ ...NONE, conditions }), [])).toEqual({
      kind: "waiting",
      reason: "0 of 2 pods available: exceeded quota",
    });
  });

  it("with a pod that crashed earlier and runs now is not taken for a failed one", () => {
    const recovered = pod({ containerStatuses: [{ state: { running: {} }, restartCount: 9, lastState: CRASH }] });
    expect(describeRollout(deployment(NONE), [recovered])).toEqual({
      kind: "waiting",
      reason: "0 of 2 pods available",
    });
  });
});

describe("a webhook configuration", () => {
  const configuration = (...bundles: readonly (string | undefined)[]): KubernetesObject => ({
    apiVersion: "admissionregistration.k8s.io/v1",
    kind: "MutatingWebhookConfiguration",
    metadata: { name: "istio-sidecar-injector" },
    webhooks: bundles.map((caBundle) => ({ clientConfig: { ...(caBundle && { caBundle }) } })),
  });

  it.each([
    { name: "all of whose webhooks have roots", bundles: ["PEM", "PEM"], kind: "available" },
    { name: "of which one has none", bundles: ["PEM", undefined], kind: "waiting" },
  ])("$name is $kind", ({ bundles, kind }) => {
    expect(describeWebhooks(configuration(...bundles)).kind).toBe(kind);
  });
});
