import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { applyPatch } from "rfc6902";
import { describe, expect, it } from "vitest";
import { reviewAdmission } from "../../injector/admission/admission-review.ts";
import type { InjectionSettings } from "../../injector/admission/injection-settings.ts";
import { createPod, inject, type Json, TEST_DEPS, TEST_SETTINGS } from "../../injector/admission/pod-fixture.ts";
import { apiVersionOf, KINDS, NEWEST_MINOR, OLDEST_MINOR } from "../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { parseKubernetesYaml } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import { renderInstallation } from "../render-installation.ts";
import { EVERY_VALUE } from "../values/every-value-fixture.ts";
import { parseInstallValues } from "../values/parse-values.ts";
import { createSchemaCheck, SCHEMA_VERSIONS } from "./schema-check-fixture.ts";

const DEMO = "examples/hello-tls";
const CORPUS = "injector/review/corpus";

function render(expressions: readonly string[]): readonly KubernetesObject[] {
  return renderInstallation(parseInstallValues({ expressions })).flatMap(({ objects }) => objects);
}

const VALUES: readonly (readonly string[])[] = [
  [],
  EVERY_VALUE,
  ["gateway.enabled=false"],
  ...["LoadBalancer", "NodePort", "ClusterIP"].map((type) => [`gateway.serviceType=${type}`]),
  ...["Always", "IfNotPresent", "Never"].map((policy) => [`imagePullPolicy=${policy}`]),
  ["imagePullSecrets={a,b}"],
  ["gateway.resources.limits.cpu=1", "controlPlane.resources.requests.memory=1000000", "proxy.resources.limits.cpu=2"],
];

const PROBE = { httpGet: { path: "/ready", port: "http" }, periodSeconds: 5 };

/** What an application's container may have that injection changes. */
const APPLICATION = {
  hostAliases: [{ ip: "10.0.0.1", hostnames: ["a"] }],
  imagePullSecrets: [{ name: "own" }],
  securityContext: { runAsNonRoot: true, supplementalGroups: [5], sysctls: [{ name: "a.b", value: "1" }] },
  volumes: [{ name: "data", emptyDir: { sizeLimit: "1Gi" } }],
  initContainers: [{ name: "first", image: "web:1", command: ["true"] }],
  containers: [
    {
      name: "web",
      image: "web:1",
      ports: [{ name: "http", containerPort: 8080 }],
      readinessProbe: PROBE,
      livenessProbe: { tcpSocket: { port: 8080 } },
      startupProbe: { grpc: { port: 9090, service: "a" } },
      lifecycle: { preStop: { httpGet: { path: "/stop", port: 8080 } }, postStart: { exec: { command: ["true"] } } },
      resources: { requests: { cpu: 1, memory: "1Gi" } },
      volumeMounts: [{ name: "data", mountPath: "/data" }],
    },
  ],
};

const INJECTED: readonly { readonly name: string; readonly annotations?: Json; readonly spec?: Json }[] = [
  { name: "as the demo's" },
  { name: "with probes, hooks, volumes and an init container", spec: APPLICATION },
  { name: "without capture", annotations: { "sidecar.istio.io/interceptionMode": "NONE" } },
  {
    name: "with settings of its own",
    annotations: {
      "sidecar.istio.io/proxyCPU": "0.5",
      "sidecar.istio.io/proxyMemoryLimit": "1e9",
      "readiness.status.sidecar.istio.io/periodSeconds": "3",
      "proxy.istio.io/config": "terminationDrainDuration: 30s\nholdApplicationUntilProxyStarts: true",
      "prometheus.io/scrape": "true",
      "prometheus.io/port": "9102",
    },
    spec: APPLICATION,
  },
];

const SETTINGS: readonly Partial<InjectionSettings>[] = [
  { nativeSidecar: false },
  { nativeSidecar: true },
  {
    nativeSidecar: true,
    imagePullPolicy: "Always",
    imagePullSecrets: ["pull"],
    accessLogFile: "/dev/stdout",
    proxyResources: {},
  },
];

it("the checked versions are the oldest and the newest that Entente supports", () => {
  expect(SCHEMA_VERSIONS).toEqual([`1.${OLDEST_MINOR}`, `1.${NEWEST_MINOR}`]);
});

describe.each(SCHEMA_VERSIONS)("Kubernetes %s", (version) => {
  const findFaults = createSchemaCheck(version);

  it.each(VALUES.map((expressions) => ({ expressions })))(
    "accepts an installation with $expressions",
    ({ expressions }) => {
      expect(render(expressions).flatMap(findFaults)).toEqual([]);
    },
  );

  it.each(INJECTED)("accepts an injected pod $name", ({ annotations = {}, spec = {} }) => {
    const pod = createPod({ annotations }, spec);
    expect(findFaults({ apiVersion: "v1", kind: "Pod", ...pod })).toEqual([]);
    for (const settings of SETTINGS) {
      const injected = { apiVersion: "v1", kind: "Pod", ...inject(pod, settings).pod };
      expect(injected.spec).not.toEqual(pod.spec);
      expect(findFaults(injected)).toEqual([]);
    }
  });

  it.each([false, true])("accepts each pod of real reviews after its patch (native sidecar: %s)", (nativeSidecar) => {
    const pods = readdirSync(CORPUS)
      .filter((name) => name.endsWith(".json"))
      .map((name) => patchedPod(readFileSync(join(CORPUS, name), "utf8"), nativeSidecar));
    expect(pods.flatMap((pod) => findFaults({ ...pod, apiVersion: "v1", kind: "Pod" }))).toEqual([]);
  });

  it("accepts the demo's Deployments, Services and namespaces", () => {
    const objects = readdirSync(DEMO)
      .filter((name) => name.endsWith(".yaml"))
      .flatMap((name) => parseKubernetesYaml(readFileSync(join(DEMO, name), "utf8")))
      .map((document): KubernetesObject => document.toJS())
      .filter(({ apiVersion }) => !apiVersion.includes("istio.io"));
    expect(new Set(objects.map(({ kind }) => kind))).toEqual(new Set(["Namespace", "Deployment", "Service"]));
    expect(objects.flatMap(findFaults)).toEqual([]);
  });

  it("has every kind that Entente reads or writes", () => {
    const objects = Object.values(KINDS).map((kind) => ({ apiVersion: apiVersionOf(kind), kind: kind.kind }));
    const unknown = objects.flatMap(findFaults).filter((fault) => fault.includes("is not a kind"));
    expect(unknown).toEqual([]);
  });

  it.each([
    { name: "an unknown field", spec: { containers: [{ name: "a", imagePullPolice: "Never" }] }, path: "containers.0" },
    { name: "a missing field", spec: { containers: [{ image: "a" }] }, path: "containers.0.name" },
    {
      name: "another type",
      spec: { containers: [{ name: "a", ports: [{ containerPort: "80" }] }] },
      path: "containerPort",
    },
    { name: "text where a list belongs", spec: { containers: [{ name: "a", args: "-v" }] }, path: "containers.0.args" },
  ])("refuses $name", ({ spec, path }) => {
    expect(findFaults({ apiVersion: "v1", kind: "Pod", ...{ spec } })).toEqual([expect.stringContaining(path)]);
  });
});

it("a field of a later version is a fault for the oldest alone", () => {
  const container = { name: "a", restartPolicyRules: [{ action: "Restart" }] };
  const pod = { apiVersion: "v1", kind: "Pod", spec: { containers: [container] } };
  const faults = SCHEMA_VERSIONS.map((version) => createSchemaCheck(version)(pod));
  expect(faults).toEqual([[expect.stringContaining('"restartPolicyRules"')], []]);
});

/** The pod of a review that an API server sent, as it would be stored. */
function patchedPod(text: string, nativeSidecar: boolean): Json {
  const { object } = JSON.parse(text).request;
  const reviewed = reviewAdmission(text, { ...TEST_DEPS, settings: { ...TEST_SETTINGS, nativeSidecar } });
  if (reviewed.kind === "malformed") throw new Error(reviewed.message);
  const { patch } = reviewed.review.response;
  if (patch !== undefined) applyPatch(object, JSON.parse(Buffer.from(patch, "base64").toString()));
  return object;
}
