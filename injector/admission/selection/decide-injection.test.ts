import { describe, expect, it } from "vitest";
import { createPod, type Json } from "../pod-fixture.ts";
import { decideInjection } from "./decide-injection.ts";

const settings = { revision: "default", controlPlaneNamespace: "istio-system" };

function decide(namespace: { name?: string; labels?: Record<string, string> }, metadata: Json = {}, spec: Json = {}) {
  const { name = "ns1", labels = {} } = namespace;
  const decision = decideInjection({ namespace: { name, labels }, pod: createPod(metadata, spec), settings });
  return decision.kind === "skip" ? decision.reason : decision.kind;
}

function label(value: string | undefined): Json {
  return value === undefined ? {} : { labels: { "sidecar.istio.io/inject": value } };
}

describe("whether a pod gets a sidecar", () => {
  it.each([
    { namespace: "enabled", pod: "true", result: "inject" },
    { namespace: "enabled", pod: undefined, result: "inject" },
    { namespace: "enabled", pod: "false", result: "pod_opted_out" },
    { namespace: "disabled", pod: "true", result: "not_selected" },
    { namespace: "disabled", pod: undefined, result: "not_selected" },
    { namespace: "disabled", pod: "false", result: "pod_opted_out" },
    { namespace: undefined, pod: "true", result: "inject" },
    { namespace: undefined, pod: undefined, result: "not_selected" },
    { namespace: undefined, pod: "false", result: "pod_opted_out" },
  ])("is $result with istio-injection: $namespace and the pod's label $pod", ({ namespace, pod, result }) => {
    const labels: Record<string, string> = namespace === undefined ? {} : { "istio-injection": namespace };
    expect(decide({ labels }, label(pod))).toBe(result);
  });

  it.each([
    { name: "its namespace has our revision", labels: { "istio.io/rev": "default" }, result: "inject" },
    { name: "its namespace has another revision", labels: { "istio.io/rev": "canary" }, result: "not_selected" },
    {
      name: "its namespace has both disabled and our revision",
      labels: { "istio-injection": "disabled", "istio.io/rev": "default" },
      result: "not_selected",
    },
    {
      name: "its namespace has both enabled and another revision",
      labels: { "istio-injection": "enabled", "istio.io/rev": "canary" },
      result: "inject",
    },
  ])("is $result, if $name", ({ labels, result }) => {
    expect(decide({ labels })).toBe(result);
  });

  it.each([
    { rev: "default", inject: undefined, result: "inject" },
    { rev: "canary", inject: "true", result: "not_selected" },
    { rev: "default", inject: "false", result: "pod_opted_out" },
  ])("is $result in an unlabelled namespace if the pod's revision is $rev and its label $inject", (row) => {
    const labels = { "istio.io/rev": row.rev, ...(row.inject && { "sidecar.istio.io/inject": row.inject }) };
    expect(decide({}, { labels })).toBe(row.result);
  });

  it.each([
    {
      name: "the annotation is false",
      metadata: { annotations: { "sidecar.istio.io/inject": "false" } },
      result: "pod_opted_out",
    },
    {
      name: "the annotation is spelled False",
      metadata: { annotations: { "sidecar.istio.io/inject": "False" } },
      result: "pod_opted_out",
    },
    {
      name: "the label is true and the annotation false",
      metadata: { ...label("true"), annotations: { "sidecar.istio.io/inject": "false" } },
      result: "inject",
    },
    {
      name: "the annotation is neither true nor false",
      metadata: { annotations: { "sidecar.istio.io/inject": "maybe" } },
      result: "inject",
    },
    {
      name: "it uses the host's network",
      metadata: label("true"),
      spec: { hostNetwork: true },
      result: "host_network",
    },
    { name: "hostNetwork is null", metadata: {}, spec: { hostNetwork: null }, result: "inject" },
  ])("is $result in an enabled namespace if $name", ({ metadata, spec = {}, result }) => {
    expect(decide({ labels: { "istio-injection": "enabled" } }, metadata, spec)).toBe(result);
  });

  it("cannot be requested by an annotation alone, which no selector sees", () => {
    expect(decide({}, { annotations: { "sidecar.istio.io/inject": "true" } })).toBe("not_selected");
  });

  it.each(["kube-system", "kube-public", "kube-node-lease", "local-path-storage"])(
    "is never so in %s, whatever the labels are",
    (name) => {
      expect(decide({ name, labels: { "istio-injection": "enabled" } }, label("true"))).toBe("system_namespace");
    },
  );

  it("is not so for the control plane's own pods, even if its namespace is enabled by mistake", () => {
    const labels = { "istio-injection": "enabled" };
    expect(decide({ name: "istio-system", labels })).toBe("control_plane_namespace");
    expect(decide({ name: "istio-system" }, label("true"))).toBe("inject");
  });
});
