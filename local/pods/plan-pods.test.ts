import { describe, expect, it } from "vitest";
import { parseManifests } from "../read-manifests.ts";
import { applyManifests } from "../system/apply-manifests.ts";
import { planPods } from "./plan-pods.ts";

const DEPLOYMENT = `
kind: Deployment
metadata: { name: hello-tls, namespace: ns1 }
spec:
  replicas: 2
  template:
    metadata: { labels: { app: hello } }
    spec: { containers: [{ name: hello, image: x }] }
`;

describe("pods of manifests", () => {
  it("a Deployment creates its replicas, with names and owners as in a cluster", () => {
    const pods = planPods(parseManifests(DEPLOYMENT, "a.yaml"), Math.random);
    expect(pods.length).toBe(2);
    for (const { name, namespace, object } of pods) {
      expect(name).toMatch(/^hello-tls-[b-z2-9]{10}-[b-z2-9]{5}$/);
      expect(namespace).toBe("ns1");
      expect(object).toMatchObject({
        metadata: { labels: { app: "hello" }, ownerReferences: [{ kind: "ReplicaSet" }] },
        spec: { serviceAccountName: "default" },
      });
    }
    expect(new Set(pods.map(({ name }) => name)).size).toBe(2);
  });

  it.each([
    {
      name: "another workload",
      text: "kind: DaemonSet\nmetadata: { name: x }\n",
      message: "only Pods and Deployments",
    },
    { name: "too many replicas", text: DEPLOYMENT.replace("2", "999"), message: "spec.replicas" },
  ])("$name is refused, with its name", ({ text, message }) => {
    expect(() => planPods(parseManifests(text, "a.yaml"), Math.random)).toThrow(message);
  });
});

describe("manifests", () => {
  it.each([
    { name: "malformed YAML", text: "kind: Pod\n  bad: [", message: "a.yaml:" },
    { name: "no kind", text: "metadata: { name: x }", message: "no kind" },
  ])("$name is refused with file and line", ({ text, message }) => {
    expect(() => parseManifests(text, "a.yaml")).toThrow(message);
  });

  it("without a namespace belong to default; cluster-wide kinds have none", () => {
    const [pod, namespace] = parseManifests(
      "kind: Pod\nmetadata: {name: x}\n---\nkind: Namespace\nmetadata: {name: other}",
      "a",
    );
    expect([pod?.namespace, namespace?.namespace]).toEqual(["default", ""]);
  });

  it("are parsed as by kubectl: YAML 1.1's octal numbers and booleans, and merge keys", () => {
    const text =
      'x: &x {mode: 0400}\nkind: Pod\nmetadata: {name: a, labels: {b: "yes"}}\nspec: {<<: *x, odd: [no, "no"]}\n';
    const [pod] = parseManifests(text, "a");
    expect(pod).toMatchObject({ labels: { b: "yes" }, object: { spec: { mode: 256, odd: [false, "no"] } } });
  });

  it("in a List are its items", () => {
    const list =
      "kind: List\nitems: [{ kind: Pod, metadata: { name: x } }, { kind: Service, metadata: { name: other } }]\n";
    expect(parseManifests(list, "a").map(({ kind, name }) => `${kind}/${name}`)).toEqual(["Pod/x", "Service/other"]);
  });

  it("that occur twice are merged: the later one's fields override, labels are combined", () => {
    const label = "kind: Deployment\nmetadata: { name: hello-tls, namespace: ns1, labels: { b: z } }\n";
    const [first] = applyManifests(parseManifests(`${DEPLOYMENT}---\n${label}`, "a"));
    expect(first?.labels).toEqual({ b: "z" });
    expect(first?.object).toMatchObject({ spec: { replicas: 2 }, metadata: { labels: { b: "z" } } });
    const twice = applyManifests(parseManifests(`${DEPLOYMENT}---${DEPLOYMENT.replace("2", "1")}`, "a"));
    expect(planPods(twice, Math.random).length).toBe(1);
  });

  it("a document with recursive aliases is refused", () => {
    const bomb = `a: &a [x,x]\n${Array.from({ length: 20 }, (_, i) => `b${i}: &b${i} [*${i === 0 ? "a" : `b${i - 1}`},*${i === 0 ? "a" : `b${i - 1}`}]`).join("\n")}`;
    expect(() => parseManifests(bomb, "a.yaml")).toThrow();
  });
});
