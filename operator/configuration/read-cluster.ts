import { admitPod } from "../../injector/admission/admit-pod.ts";
import { DEFAULT_INJECTION_SETTINGS, type InjectionSettings } from "../../injector/admission/injection-settings.ts";
import { validatePod } from "../../injector/admission/pod.ts";
import { decideInjection } from "../../injector/admission/selection/decide-injection.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesApi, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { listPages } from "../../kubernetes/reflector/list-pages.ts";
import type { MeshSettings } from "../../mesh/mesh-settings.ts";
import { formatResourceKey } from "../../mesh/resources/fields/resource-names.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import { type ParsedResources, parseObject } from "../../mesh/resources/parsing/parse-resources.ts";
import { createResourceSet, type ResourceSet } from "../../mesh/resources/resource-set.ts";
import { hasProxy, proxyContainer } from "../workloads/pod-proxy.ts";
import { discoverMeshKinds, OWN_KINDS } from "./cluster-kinds.ts";
import type { Configuration, PodInjection } from "./configuration.ts";
import { meshSettingsFrom } from "./mesh-settings.ts";

export interface ClusterReading {
  readonly api: KubernetesApi;
  /** The control plane's. */
  readonly rootNamespace: string;
  readonly signal: AbortSignal;
}

/** The configuration of a cluster, each kind listed once. */
export async function configurationFromCluster(reading: ClusterReading): Promise<Configuration> {
  const { api, rootNamespace, signal } = reading;
  const kinds = [...OWN_KINDS, ...(await discoverMeshKinds(api, signal))];
  const [settings, webhooks, ...listed] = await Promise.all([
    readMeshSettings(reading),
    readWebhooks(reading),
    ...kinds.map((kind) => readKind(reading, kind)),
  ]);
  const parsed = listed.flat();
  const set = createResourceSet(parsed.flatMap(({ standIns, resources }) => [...resources, ...standIns]));
  return {
    origin: "cluster",
    set,
    problems: parsed.flatMap(({ problems }) => problems),
    settings,
    injections: injectionsOf(set, { revisions: webhooks, controlPlaneNamespace: rootNamespace }),
  };
}

/** The mesh's settings, from the ConfigMap `istio`. */
export async function readMeshSettings({ api, rootNamespace, signal }: ClusterReading): Promise<MeshSettings> {
  const configMap = await api.get(KINDS.configMaps, { namespace: rootNamespace, name: "istio" }, { signal });
  return meshSettingsFrom(meshTextOf(configMap), rootNamespace);
}

async function readKind({ api, signal }: ClusterReading, kind: ApiKind): Promise<readonly ParsedResources[]> {
  const { objects } = await listPages(api, { selection: { kind }, transform: parseObject, signal });
  return [...objects.values()];
}

/** The revisions whose webhooks exist. A cluster without any is judged as if the default one were installed. */
async function readWebhooks({ api, signal }: ClusterReading): Promise<readonly string[]> {
  const selection = { kind: KINDS.mutatingWebhooks, labelSelector: "app.kubernetes.io/managed-by=entente" };
  const { objects } = await listPages<string>(api, { selection, transform: revisionOf, signal });
  return objects.size === 0 ? ["default"] : [...new Set(objects.values())];
}

function revisionOf({ metadata }: KubernetesObject): string {
  return metadata.labels?.["istio.io/rev"] ?? "default";
}

function meshTextOf(configMap: KubernetesObject | undefined): string {
  const data = configMap?.["data"];
  const text = typeof data === "object" && data !== null && "mesh" in data ? data.mesh : undefined;
  return typeof text === "string" ? text : "";
}

interface Injectors {
  readonly revisions: readonly string[];
  readonly controlPlaneNamespace: string;
}

function injectionsOf(set: ResourceSet, injectors: Injectors): ReadonlyMap<string, PodInjection> {
  const settings = injectors.revisions.map((revision) => ({
    ...DEFAULT_INJECTION_SETTINGS,
    revision,
    controlPlaneNamespace: injectors.controlPlaneNamespace,
  }));
  return new Map(
    [...set.pods.values()].flatMap((pod): [string, PodInjection][] => {
      const injection = injectionOf(set, pod, settings);
      return injection === undefined ? [] : [[formatResourceKey(pod.metadata.namespace, pod.metadata.name), injection]];
    }),
  );
}

/** What an injector would decide if the pod were created now; any revision may select it. */
function injectionOf(set: ResourceSet, pod: Pod, revisions: readonly InjectionSettings[]): PodInjection | undefined {
  const { namespace: name, labels, annotations } = pod.metadata;
  const validation = validatePod({
    metadata: { name: pod.metadata.name, namespace: name, labels, annotations },
    spec: pod.spec,
  });
  if (validation.kind === "invalid") return undefined;
  const namespace = { name, labels: set.namespaces.get(name)?.metadata.labels ?? {} };
  const present = proxyContainer(pod)?.image;
  const admissions = revisions.map((revision) => {
    // The image of a sidecar that runs was an injector's choice: it is no image that the user names.
    const settings = present === undefined ? revision : { ...revision, image: present };
    const decision = decideInjection({ namespace, pod: validation.pod, settings });
    return admitPod({ pod: validation.pod, namespace: name, settings, decision, createToken: () => "unused" });
  });
  const [first] = admissions;
  const selected = admissions.find(({ kind }) => kind !== "skipped") ?? first;
  // It runs with its sidecar: whatever an injector would say of it now has no effect.
  return selected?.kind === "refused" && hasProxy(pod) ? { kind: "injected", warnings: [] } : selected;
}
