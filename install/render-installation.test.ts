import type { V1Deployment, V1PodDisruptionBudget, V1PodTemplateSpec, V1Service } from "@kubernetes/client-node";
import { describe, expect, it } from "vitest";
import { parseMeshConfig } from "../control-plane/settings/mesh-config.ts";
import type { KubernetesObject } from "../kubernetes/kubernetes-api.ts";
import { mintRoot } from "../mesh/identity/mint-certificate-fixture.ts";
import { TEST_SETTINGS } from "../mesh/resources/resource-set-fixture.ts";
import { meshConfig } from "./objects/mesh-config.ts";
import { findPodSecurityFaults } from "./objects/pod-security-fixture.ts";
import { injectorNames } from "./objects/state-names.ts";
import { renderInstallation } from "./render-installation.ts";
import { EVERY_VALUE } from "./values/every-value-fixture.ts";
import { parseInstallValues } from "./values/parse-values.ts";

function render(...expressions: readonly string[]): readonly KubernetesObject[] {
  return renderInstallation(parseInstallValues({ expressions })).flatMap(({ objects }) => objects);
}

function keyOf({ kind, metadata }: KubernetesObject): string {
  return `${kind} ${metadata.namespace ?? ""}/${metadata.name}`;
}

function isDeployment(object: KubernetesObject): object is KubernetesObject & V1Deployment {
  return object.kind === "Deployment";
}

function isDisruptionBudget(object: KubernetesObject): object is KubernetesObject & V1PodDisruptionBudget {
  return object.kind === "PodDisruptionBudget";
}

function isService(object: KubernetesObject): object is KubernetesObject & V1Service {
  return object.kind === "Service";
}

function templatesOf(objects: readonly KubernetesObject[]): readonly (V1PodTemplateSpec & { readonly name: string })[] {
  return objects
    .filter(isDeployment)
    .flatMap(({ metadata, spec }) => (spec === undefined ? [] : [{ ...spec.template, name: metadata.name }]));
}

const VARIANTS = [
  { name: "with default values", expressions: [] },
  { name: "with other values for everything", expressions: EVERY_VALUE },
] as const;

describe.each(VARIANTS)("an installation $name", ({ expressions }) => {
  const objects = render(...expressions);

  it("names each object once, and marks each as its own", () => {
    expect(new Set(objects.map(keyOf)).size).toBe(objects.length);
    for (const { metadata } of objects) {
      expect(metadata.labels).toMatchObject({ "app.kubernetes.io/managed-by": "entente" });
    }
  });

  it("runs every pod under Pod Security `restricted`, with a read-only root file system", () => {
    const templates = templatesOf(objects);
    expect(templates).toHaveLength(3);
    for (const { spec } of templates) {
      expect(spec && findPodSecurityFaults(spec)).toEqual([]);
      for (const { securityContext } of spec?.containers ?? []) {
        expect(securityContext?.readOnlyRootFilesystem).toBe(true);
      }
    }
  });

  it("has two pods or more of every part, on different nodes where it can, of which a drain takes one at a time", () => {
    for (const { metadata, spec } of objects.filter(isDeployment)) {
      expect(spec?.replicas, metadata.name).toBeGreaterThan(1);
      const [apart] =
        spec?.template.spec?.affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
      expect(apart?.podAffinityTerm).toEqual({
        labelSelector: { matchLabels: spec?.selector.matchLabels },
        topologyKey: "kubernetes.io/hostname",
      });
      const budgets = objects.filter(isDisruptionBudget).map((budget) => budget.spec);
      const own = budgets.filter((budget) => selects(budget?.selector?.matchLabels ?? {}, spec?.template ?? {}));
      expect(own, metadata.name).toMatchObject([{ maxUnavailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow" }]);
    }
  });

  it("gives a token for the Kubernetes API only to pods that have rights there", () => {
    const bound = objects.filter(({ kind }) => kind === "ClusterRoleBinding").map((object) => JSON.stringify(object));
    for (const { spec } of templatesOf(objects)) {
      const hasRights = bound.some((text) => text.includes(`"name":"${spec?.serviceAccountName}"`));
      expect(spec?.automountServiceAccountToken).toBe(hasRights);
    }
  });

  it("gives no right to Secrets but by name", () => {
    const rules = objects.flatMap((object) => JSON.parse(JSON.stringify(object)).rules ?? []);
    const secrets = rules.filter(({ resources }) => resources.includes("secrets") || resources.includes("*"));
    expect(secrets).toHaveLength(3);
    for (const { resourceNames } of secrets) expect(resourceNames).not.toHaveLength(0);
    expect(secrets.every(({ resourceNames }) => Array.isArray(resourceNames))).toBe(true);
  });

  it("refers only to service accounts, roles and ConfigMaps that exist", () => {
    const keys = new Set(objects.map(keyOf));
    // The control plane writes this one.
    const namespace = objects.find(({ kind }) => kind === "Namespace")?.metadata.name;
    keys.add(`ConfigMap ${namespace}/istio-ca-root-cert`);
    const bindings = objects.filter(({ kind }) => kind.endsWith("RoleBinding")).map((object) => JSON.stringify(object));
    for (const { spec } of templatesOf(objects)) {
      expect(keys).toContain(`ServiceAccount ${namespace}/${spec?.serviceAccountName}`);
      for (const { configMap } of spec?.volumes ?? []) {
        if (configMap !== undefined) expect(keys).toContain(`ConfigMap ${namespace}/${configMap.name}`);
      }
    }
    for (const text of bindings) {
      const { roleRef, subjects } = JSON.parse(text);
      expect(keys).toContain(
        roleRef.kind === "ClusterRole" ? `ClusterRole /${roleRef.name}` : `Role ${namespace}/${roleRef.name}`,
      );
      expect(keys).toContain(`ServiceAccount ${subjects[0].namespace}/${subjects[0].name}`);
    }
    expect(bindings).toHaveLength(4);
  });

  it("leads each Service to the ports of exactly one Deployment", () => {
    for (const { metadata, spec } of objects.filter(isService)) {
      const selected = templatesOf(objects).filter((template) => selects(spec?.selector ?? {}, template));
      expect(selected.map(({ name }) => name)).toEqual([metadata.name]);
      const open = selected.flatMap(({ spec: pod }) => pod?.containers ?? []).flatMap(({ ports = [] }) => ports);
      for (const { targetPort } of spec?.ports ?? []) {
        expect(open.map(({ containerPort }) => containerPort)).toContain(targetPort);
      }
    }
  });

  it("gives the injector's objects the names that the injector looks for", () => {
    const values = parseInstallValues({ expressions });
    const names = injectorNames(values);
    const keys = objects.map(keyOf);
    expect(keys).toContain(`Service ${names.namespace}/${names.service}`);
    expect(keys).toContain(`MutatingWebhookConfiguration /${names.configurations.mutating}`);
    expect(keys).toContain(`ValidatingWebhookConfiguration /${names.configurations.validating}`);
  });

  it("leads both webhooks to the injector", () => {
    const services = objects.filter(isService).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`);
    const configurations = objects.filter(({ kind }) => kind.endsWith("WebhookConfiguration"));
    expect(configurations).toHaveLength(2);
    for (const configuration of configurations) {
      for (const { clientConfig } of JSON.parse(JSON.stringify(configuration)).webhooks) {
        expect(services).toContain(`${clientConfig.service.namespace}/${clientConfig.service.name}`);
        expect(clientConfig).not.toHaveProperty("caBundle");
      }
    }
  });
});

function selects(selector: Readonly<Record<string, string>>, template: V1PodTemplateSpec): boolean {
  return Object.entries(selector).every(([name, value]) => template.metadata?.labels?.[name] === value);
}

describe("two revisions in one namespace", () => {
  const [stable, canary] = [render(), render("revision=canary")];

  it("share only the namespace and the resource definitions", () => {
    const keys = new Set(stable.map(keyOf));
    const shared = canary.filter((object) => keys.has(keyOf(object)));
    expect(new Set(shared.map(({ kind }) => kind))).toEqual(new Set(["Namespace", "CustomResourceDefinition"]));
  });

  it("never select each other's pods", () => {
    for (const [own, other] of [
      [stable, canary],
      [canary, stable],
    ] as const) {
      const selectors = [
        ...own.filter(isService).map(({ spec }) => spec?.selector ?? {}),
        ...own.filter(isDeployment).map(({ spec }) => spec?.selector.matchLabels ?? {}),
      ];
      const found = selectors.filter((selector) => templatesOf(other).some((template) => selects(selector, template)));
      expect(found).toEqual([]);
    }
  });

  it("leave Istio's Services to Istio's pods", () => {
    const ofIstio = [
      { app: "istiod", istio: "pilot" },
      { app: "istio-ingressgateway", istio: "ingressgateway" },
    ];
    const found = ofIstio.filter((selector) => templatesOf(canary).some((template) => selects(selector, template)));
    expect(found).toEqual([]);
  });
});

describe("values", () => {
  it("without a gateway leave out all of it", () => {
    expect(render("gateway.enabled=false").map(keyOf).join()).not.toContain("ingressgateway");
  });

  it("of foreign trust domains reach the mesh configuration, as the control plane reads it", () => {
    const pem = mintRoot().pem;
    const caCertificates = [{ pem, trustDomains: ["there.example"] }];
    const files = [{ name: "values.yaml", text: JSON.stringify({ caCertificates }) }];
    const text = meshConfig(parseInstallValues({ files })).data.mesh;
    expect(parseMeshConfig(text, TEST_SETTINGS).settings.caCertificates).toEqual([
      { kind: "pem", trustDomains: ["there.example"], roots: [pem] },
    ]);
  });

  it("of the mesh give the control plane other pods, which read them when they start", () => {
    const template = (...expressions: readonly string[]): string =>
      JSON.stringify(templatesOf(render(...expressions)).find(({ name }) => name === "istiod"));
    expect(template("outboundTrafficPolicy=REGISTRY_ONLY")).not.toBe(template());
    expect(template("gateway.replicas=3")).toBe(template());
  });

  it("reach the objects", () => {
    const text = JSON.stringify(render(...EVERY_VALUE));
    for (const { kind, metadata } of render(...EVERY_VALUE)) {
      if (metadata.namespace !== undefined) expect(`${kind} ${metadata.namespace}`).toBe(`${kind} mesh`);
    }
    for (const expected of [
      ...["registry.example/entente:2", '"imagePullSecrets":[{"name":"pull"}]', "trustDomain: example.org"],
      ...[
        "REGISTRY_ONLY",
        "normalization: NONE",
        "numTrustedProxies: 1",
        "accessLogFile: /dev/stdout",
        "istiod-canary.mesh.svc:15012",
        '"type":"NodePort"',
      ],
      '"--workload-cert-ttl","12h","--max-workload-cert-ttl","24h"',
      ...['"--proxy-requests","cpu=50m,memory=64Mi"', '"--proxy-limits","memory=1Gi"'],
      ...['"annotations":{"a":"b"}', '"replicas":3', '"limits":{"cpu":"1"}'],
    ]) {
      expect(text).toContain(expected);
    }
  });
});
