import { describe, expect, it } from "vitest";
import { parseAllDocuments } from "yaml";
import { DEFAULT_INJECTION_SETTINGS } from "../admission/injection-settings.ts";
import { createHookToken } from "../hook-token.ts";
import { injectManifests } from "./inject-manifests.ts";

function inject(text: string, namespace = "default") {
  return injectManifests({
    text,
    file: "file.yaml",
    settings: DEFAULT_INJECTION_SETTINGS,
    createToken: createHookToken,
    namespace,
  });
}

function documents(text: string): unknown[] {
  return parseAllDocuments(text, { merge: true }).map((document) => document.toJS());
}

const TEMPLATE = { metadata: { labels: { app: "a" } }, spec: { containers: [{ name: "a", image: "a" }] } };
const INJECTED = {
  spec: { containers: [{ name: "a" }, { name: "istio-proxy" }], initContainers: [{ name: "istio-init" }] },
};

describe("offline injection", () => {
  it.each([
    { kind: "Deployment", spec: { template: TEMPLATE }, injected: { spec: { template: INJECTED } } },
    { kind: "StatefulSet", spec: { template: TEMPLATE }, injected: { spec: { template: INJECTED } } },
    { kind: "DaemonSet", spec: { template: TEMPLATE }, injected: { spec: { template: INJECTED } } },
    { kind: "ReplicaSet", spec: { template: TEMPLATE }, injected: { spec: { template: INJECTED } } },
    { kind: "Job", spec: { template: TEMPLATE }, injected: { spec: { template: INJECTED } } },
    {
      kind: "CronJob",
      spec: { jobTemplate: { spec: { template: TEMPLATE } } },
      injected: { spec: { jobTemplate: { spec: { template: INJECTED } } } },
    },
    { kind: "Pod", spec: TEMPLATE.spec, injected: INJECTED },
  ])("injects the pods of a $kind", ({ kind, spec, injected }) => {
    const { text } = inject(JSON.stringify({ apiVersion: "v1", kind, metadata: { name: "a" }, spec }));
    expect(documents(text)).toMatchObject([injected]);
  });

  it("injects the items of a List", () => {
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "a" }, spec: TEMPLATE.spec };
    const { text } = inject(JSON.stringify({ apiVersion: "v1", kind: "List", items: [{ kind: "Service" }, pod] }));
    expect(documents(text)).toMatchObject([{ items: [{ kind: "Service" }, INJECTED] }]);
  });

  it("warns of a Job whose pods would not end", () => {
    const resource = { apiVersion: "batch/v1", kind: "Job", metadata: { name: "once" }, spec: { template: TEMPLATE } };
    expect(inject(JSON.stringify(resource)).notes).toEqual([expect.stringContaining("quitquitquit")]);
  });

  it("sets the workload that the template belongs to", () => {
    const resource = {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name: "web", namespace: "shop" },
      spec: { template: TEMPLATE },
    };
    expect(inject(JSON.stringify(resource)).text).toContain(
      "kubernetes://apis/apps/v1/namespaces/shop/deployments/web",
    );
  });

  it("leaves other documents byte for byte as they were, and keeps comments in changed ones", () => {
    const text = [
      "# the whole\napiVersion: v1\nkind:   Namespace   # odd\nmetadata: {name: ns1}\n",
      "# the pod\napiVersion: v1\nkind: Pod\nmetadata:\n  name: a # its name\nspec:\n  containers:\n    # the app\n    - name: a\n      image: a # from somewhere\n",
      "kind: Service\nspec: {ports: [ {port: 80} ]}\n",
    ].join("---\n");
    const { text: injected } = inject(text);
    for (const kept of [
      "# the whole\n",
      "kind:   Namespace   # odd\n",
      "# the pod\n",
      "# its name\n",
      "# the app\n",
      "# from somewhere\n",
      "spec: {ports: [ {port: 80} ]}\n",
    ]) {
      expect(injected).toContain(kept);
    }
    expect(documents(injected)).toMatchObject([
      { kind: "Namespace" },
      { kind: "Pod", ...INJECTED },
      { kind: "Service" },
    ]);
  });

  it("returns a file without pods byte for byte", () => {
    const text = "# nothing\nkind:  ConfigMap\ndata: {a: 'b'}\n---\nkind: Secret\n";
    expect(inject(text)).toEqual({ text, notes: [] });
  });

  it("changes nothing the second time, and reports that", () => {
    const once = inject("kind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a}]}\n").text;
    expect(inject(once)).toEqual({ text: once, notes: [expect.stringContaining("already has its sidecar")] });
  });

  it.each([
    {
      name: "opted out by label",
      metadata: { labels: { "sidecar.istio.io/inject": "false" } },
      spec: {},
      expected: "sidecar.istio.io/inject: false",
    },
    {
      name: "opted out by annotation",
      metadata: { annotations: { "sidecar.istio.io/inject": "false" } },
      spec: {},
      expected: "sidecar.istio.io/inject: false",
    },
    { name: "on the host's network", metadata: {}, spec: { hostNetwork: true }, expected: "host's network" },
    { name: "in a system namespace", metadata: { namespace: "kube-system" }, spec: {}, expected: "kube-system" },
  ])("does not inject a pod that is $name, and gives the reason", ({ metadata, spec, expected }) => {
    const text = JSON.stringify({
      kind: "Pod",
      metadata: { name: "a", ...metadata },
      spec: { ...TEMPLATE.spec, ...spec },
    });
    const injected = inject(text);
    expect(documents(injected.text)).toEqual([JSON.parse(text)]);
    expect(injected.notes).toEqual([expect.stringContaining(expected)]);
  });

  it("injects regardless of the namespace's label, as kube-inject does", () => {
    const text =
      "kind: Namespace\nmetadata: {name: ns1, labels: {istio-injection: disabled}}\n---\nkind: Pod\nmetadata: {name: a, namespace: ns1}\nspec: {containers: [{name: a}]}\n";
    expect(documents(inject(text).text)[1]).toMatchObject(INJECTED);
  });

  it("changes only one of two templates that share a node by an alias", () => {
    const text = [
      "kind: List",
      "items:",
      "- {kind: Pod, metadata: {name: a, labels: &l {app: a}}, spec: &s {containers: [{name: a}]}}",
      "- {kind: Pod, metadata: {name: b, labels: *l, annotations: {sidecar.istio.io/inject: 'false'}}, spec: *s}",
      "",
    ].join("\n");
    expect(documents(inject(text).text)).toMatchObject([
      { items: [INJECTED, { metadata: { labels: { app: "a" } }, spec: { containers: [{ name: "a" }] } }] },
    ]);
    expect(documents(inject(text).text)).not.toMatchObject([{ items: [{}, INJECTED] }]);
  });

  it.each([
    { name: "is not YAML", text: "kind: Pod\n  spec: [\n", expected: /file\.yaml: .*line \d/ },
    {
      name: "contains a pod without containers",
      text: "kind: Pod\nmetadata: {name: a}\nspec: {}\n",
      expected: /Pod\/a\.default: spec\.containers is missing/,
    },
    {
      name: "contains a Deployment without a template",
      text: "kind: Deployment\nmetadata: {name: d}\n",
      expected: /Deployment\/d\.default: the pod is missing/,
    },
    {
      name: "contains a pod that runs as the proxy",
      text: "kind: Pod\nmetadata: {name: a, namespace: ns}\nspec: {containers: [{name: a}], securityContext: {runAsUser: 1337}}\n",
      expected: /Pod\/a\.ns: .*IST0144/,
    },
  ])("fails with the location if the file $name", ({ text, expected }) => {
    expect(() => inject(text)).toThrow(expected);
  });
});
