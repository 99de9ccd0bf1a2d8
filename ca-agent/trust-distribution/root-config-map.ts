import { apiVersionOf, KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { splitCertificates } from "../../mesh/identity/pem-certificates.ts";

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

/** The mesh's own namespace. When it is deleted, Kubernetes deletes the ConfigMaps in all the others. */
export interface RootOwner {
  readonly name: string;
  readonly uid: string;
}

/** What is applied: our fields alone. Other content of the ConfigMap stays. */
export function formatRootConfigMap(
  namespace: string,
  roots: readonly string[],
  owner: RootOwner | undefined,
): KubernetesObject {
  const ownerReferences = owner && [{ apiVersion: "v1", kind: "Namespace", name: owner.name, uid: owner.uid }];
  return {
    apiVersion: apiVersionOf(KINDS.configMaps),
    kind: KINDS.configMaps.kind,
    metadata: { name: ROOT_CONFIG_MAP, namespace, labels: LABELS, ...(ownerReferences && { ownerReferences }) },
    data: { [ROOT_KEY]: roots.join("") },
  };
}

/**
 * Whether two texts contain the same certificates, in any order and with any text between them. Istio writes the bundle as
 * its operator wrote it: over one `cacerts`, two meshes must not correct each other's line breaks for ever.
 */
function hasSameRoots(found: string, wanted: string): boolean {
  if (found === wanted) return true;
  const ours = new Set(splitCertificates(wanted).map(withoutWhiteSpace));
  const theirs = splitCertificates(found).map(withoutWhiteSpace);
  const isComplete = found.split("-----BEGIN ").length - 1 === theirs.length;
  return ours.size > 0 && isComplete && new Set(theirs).size === ours.size && theirs.every((root) => ours.has(root));
}

function withoutWhiteSpace(pem: string): string {
  return pem.replaceAll(/\s/g, "");
}

/** Whether a ConfigMap already has what would be applied. */
export function isUpToDate(
  configMap: KubernetesObject,
  roots: readonly string[],
  owner: RootOwner | undefined,
): boolean {
  const { labels = {}, ownerReferences = [] } = configMap.metadata;
  return (
    hasSameRoots(readPublishedRoots(configMap), roots.join("")) &&
    (owner === undefined || ownerReferences.some(({ uid }) => uid === owner.uid)) &&
    Object.entries(LABELS).every(([name, value]) => labels[name] === value)
  );
}
