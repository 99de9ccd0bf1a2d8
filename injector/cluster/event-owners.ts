import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import type { NamespacedReference } from "./injection-event.ts";

/** Kubernetes' own controllers of pods. */
const CONTROLLERS: readonly ApiKind[] = [KINDS.replicaSets, KINDS.statefulSets, KINDS.daemonSets, KINDS.jobs];

export interface OwnerLookup {
  readonly api: Pick<KubernetesApi, "get">;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * The objects that an Event about an owner's pods belongs to: the owner, and what controls it, such as a ReplicaSet and
 * its Deployment. Any pod of the cluster can call the webhook with a forged review, so the owner must exist with the
 * uid that the review names; without, or for another kind of owner, there is none.
 */
export async function findEventOwners(
  { api, ...options }: OwnerLookup,
  { kind, namespace, name, uid }: NamespacedReference,
): Promise<readonly NamespacedReference[]> {
  const known = CONTROLLERS.find((one) => one.kind === kind);
  if (known === undefined || uid === undefined) return [];
  const owner = await api.get(known, { namespace, name }, options);
  if (owner === undefined || owner.metadata.uid !== uid) return [];
  const above = owner.metadata.ownerReferences?.find(({ controller }) => controller === true);
  return [
    { apiVersion: owner.apiVersion, kind, namespace, name, uid },
    ...(above === undefined
      ? []
      : [{ apiVersion: above.apiVersion, kind: above.kind, namespace, name: above.name, uid: above.uid }]),
  ];
}
