import { labelsOf, type Pod } from "./pod.ts";

/** The workload that a pod belongs to, as metrics and logs name it. */
export interface WorkloadOwner {
  readonly apiVersion: string;
  readonly kind: string;
  readonly name: string;
}

/**
 * The Deployment for a ReplicaSet's pod and the CronJob for a Job's. They are derived from the owner's name as in
 * Istio, because admission sees only the direct owner. A standalone pod is its own workload.
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

/** The owner's path in the Kubernetes API, in the form of Istio's ISTIO_META_OWNER. */
export function formatOwner(owner: WorkloadOwner, namespace: string): string {
  return `kubernetes://apis/${owner.apiVersion}/namespaces/${namespace}/${owner.kind.toLowerCase()}s/${owner.name}`;
}

/** A controller's new pod has only the prefix of its name when it is admitted. */
function podName(pod: Pod): string {
  return pod.metadata?.name || (pod.metadata?.generateName ?? "").replace(/-+$/, "") || "unknown";
}
