import { labelsOf, type Pod } from "./pod.ts";

/** What a pod belongs to, as metrics and logs name it. */
export interface WorkloadOwner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

/**
 * The Deployment of a ReplicaSet's pod and the CronJob of a Job's, found by their names' endings as Istio finds them:
 * admission sees only the direct owner. A pod of its own is its own workload.
 */
export function workloadOwner(pod: Pod): WorkloadOwner {
  const references = pod.metadata?.ownerReferences ?? [];
  const owner = references.find((reference) => reference.controller === true);
  if (owner === undefined) return { apiVersion: "v1", kind: "Pod", name: podName(pod) };
  const { apiVersion, kind, name } = owner;
  const hash = labelsOf(pod)["pod-template-hash"];
  if (kind === "ReplicaSet" && hash !== undefined && name.endsWith(`-${hash}`)) {
    return { apiVersion, kind: "Deployment", name: name.slice(0, -hash.length - 1) };
  }
  const cronJob = /^(.+)-\d{8,}$/.exec(name)?.[1];
  if (kind === "Job" && cronJob !== undefined) return { apiVersion, kind: "CronJob", name: cronJob };
  return { apiVersion, kind, name };
}

/** The address of an owner in the cluster's API, in the form of Istio's ISTIO_META_OWNER. */
export function formatOwner(owner: WorkloadOwner, namespace: string): string {
  return `kubernetes://apis/${owner.apiVersion}/namespaces/${namespace}/${owner.kind.toLowerCase()}s/${owner.name}`;
}

/** A pod that a controller makes has only the beginning of its name when it is admitted. */
function podName(pod: Pod): string {
  return pod.metadata?.name || (pod.metadata?.generateName ?? "").replace(/-+$/, "") || "unknown";
}
