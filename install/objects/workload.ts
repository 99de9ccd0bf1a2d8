import type {
  V1Container,
  V1Deployment,
  V1EnvVar,
  V1PodDisruptionBudget,
  V1Probe,
  V1ServiceAccount,
  V1Volume,
} from "@kubernetes/client-node";
import type { InstallValues, PodResources } from "../values/install-values.ts";
import { type Component, componentLabels, componentSelector, withRevision } from "./names.ts";
import { CONTAINER_SECURITY, POD_SECURITY } from "./pod-security.ts";

/** What differs between the components' Deployments. */
export interface Workload {
  readonly component: Component;
  readonly values: InstallValues;
  readonly replicas: number;
  readonly serviceAccount: string;
  /** `none`: the process never calls the Kubernetes API, so its pod gets no token for it. */
  readonly apiAccess: "granted" | "none";
  readonly container: Omit<V1Container, "image" | "imagePullPolicy" | "securityContext">;
  readonly volumes: readonly V1Volume[];
  /** Of the pods, beside those for Prometheus. */
  readonly annotations?: Readonly<Record<string, string>>;
  readonly metrics: { readonly port: number; readonly path: string };
  readonly terminationGracePeriodSeconds: number;
}

export function serviceAccount(name: string, component: Component, values: InstallValues) {
  return {
    apiVersion: "v1",
    kind: "ServiceAccount",
    metadata: { name, namespace: values.namespace, labels: componentLabels(component, values) },
  } satisfies V1ServiceAccount;
}

/**
 * A Deployment that meets Pod Security `restricted`. A rollout never has fewer ready pods than before, and replicas are
 * on different nodes where there are several.
 */
export function deployment(workload: Workload) {
  const { component, values, replicas } = workload;
  const labels = componentLabels(component, values);
  const selector = componentSelector(component, values);
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: withRevision(component, values), namespace: values.namespace, labels },
    spec: {
      replicas,
      selector: { matchLabels: selector },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: {
        metadata: {
          labels: { ...labels, ...selector, "sidecar.istio.io/inject": "false" },
          annotations: { ...scrapeAnnotations(workload.metrics), ...workload.annotations },
        },
        spec: podSpec(workload, selector),
      },
    },
  } satisfies V1Deployment;
}

function podSpec(workload: Workload, selector: Readonly<Record<string, string>>) {
  const { values } = workload;
  const { image, imagePullPolicy, imagePullSecrets } = values;
  const container: V1Container = { ...workload.container, image, imagePullPolicy, securityContext: CONTAINER_SECURITY };
  return {
    serviceAccountName: workload.serviceAccount,
    automountServiceAccountToken: workload.apiAccess !== "none",
    // The variables of every Service in the namespace are of no use here.
    enableServiceLinks: false,
    nodeSelector: { "kubernetes.io/os": "linux" },
    ...(imagePullSecrets.length > 0 && { imagePullSecrets: imagePullSecrets.map((name) => ({ name })) }),
    securityContext: POD_SECURITY,
    terminationGracePeriodSeconds: workload.terminationGracePeriodSeconds,
    affinity: {
      podAntiAffinity: {
        // Preferred, so that a cluster of one node can run all replicas.
        preferredDuringSchedulingIgnoredDuringExecution: [
          {
            weight: 100,
            podAffinityTerm: { labelSelector: { matchLabels: selector }, topologyKey: "kubernetes.io/hostname" },
          },
        ],
      },
    },
    containers: [container],
    ...(workload.volumes.length > 0 && { volumes: [...workload.volumes] }),
  };
}

/** A node's drain takes one pod at a time. A pod that is not ready does not hold the drain up. */
export function podDisruptionBudget(component: Component, values: InstallValues) {
  return {
    apiVersion: "policy/v1",
    kind: "PodDisruptionBudget",
    metadata: {
      name: withRevision(component, values),
      namespace: values.namespace,
      labels: componentLabels(component, values),
    },
    spec: {
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: "AlwaysAllow",
      selector: { matchLabels: componentSelector(component, values) },
    },
  } satisfies V1PodDisruptionBudget;
}

/** The variables by which a process knows its own pod. */
export const POD_ENV: readonly V1EnvVar[] = [
  fromField("POD_NAME", "metadata.name"),
  fromField("POD_NAMESPACE", "metadata.namespace"),
];

export function fromField(name: string, fieldPath: string): V1EnvVar {
  return { name, valueFrom: { fieldRef: { fieldPath } } };
}

/**
 * Not ready after three failures, restarted after a minute without any response. They ask different questions: a process
 * that waits for the API server is not ready, and a restart would not help it.
 */
export function probes(get: NonNullable<V1Probe["httpGet"]>, paths: { readonly ready: string; readonly live: string }) {
  return {
    readinessProbe: {
      httpGet: { ...get, path: paths.ready },
      periodSeconds: 3,
      timeoutSeconds: 3,
      failureThreshold: 3,
    },
    livenessProbe: {
      httpGet: { ...get, path: paths.live },
      initialDelaySeconds: 10,
      periodSeconds: 10,
      timeoutSeconds: 5,
      failureThreshold: 6,
    },
  } satisfies Pick<V1Container, "readinessProbe" | "livenessProbe">;
}

function scrapeAnnotations({ port, path }: Workload["metrics"]): Record<string, string> {
  return { "prometheus.io/scrape": "true", "prometheus.io/port": String(port), "prometheus.io/path": path };
}

/** The values of `resources` as a container has them. */
export function containerResources(resources: PodResources) {
  return { requests: amounts(resources.requests), limits: amounts(resources.limits) };
}

function amounts({ cpu, memory }: { readonly cpu?: string | undefined; readonly memory?: string | undefined }) {
  return { ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory }) };
}
