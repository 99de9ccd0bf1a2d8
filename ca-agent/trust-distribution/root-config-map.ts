import { apiVersionOf, KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";

/** The ConfigMap from which pods mount the roots, in every namespace. */
export const ROOT_CONFIG_MAP = "istio-ca-root-cert";
const ROOT_KEY = "root-cert.pem";
/** Istio's label on what it distributes. */
const LABELS = { "istio.io/config": "true" };

/** The roots that a ConfigMap contains, PEM; empty if there are none. */
export function readPublishedRoots(configMap: KubernetesObject | undefined): string {
  const data = configMap?.["data"];
  const text = typeof data === "object" && data !== null && ROOT_KEY in data ? data[ROOT_KEY] : "";
  return typeof text === "string" ? text : "";
}

/** What is applied: our fields alone. Whatever else somebody puts into the ConfigMap stays. */
export function formatRootConfigMap(namespace: string, roots: readonly string[]): KubernetesObject {
  return {
    apiVersion: apiVersionOf(KINDS.configMaps),
    kind: KINDS.configMaps.kind,
    metadata: { name: ROOT_CONFIG_MAP, namespace, labels: LABELS },
    data: { [ROOT_KEY]: roots.join("") },
  };
}

/** Whether a ConfigMap already has what would be applied. */
export function isUpToDate(configMap: KubernetesObject, roots: readonly string[]): boolean {
  const labels = configMap.metadata.labels ?? {};
  return (
    readPublishedRoots(configMap) === roots.join("") &&
    Object.entries(LABELS).every(([name, value]) => labels[name] === value)
  );
}
