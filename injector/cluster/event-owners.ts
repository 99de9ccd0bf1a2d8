import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import type { OwnerObject } from "./injection-event.ts";

/** Kubernetes' own controllers of pods. */
const CONTROLLERS: readonly ApiKind[] = [KINDS.replicaSets, KINDS.statefulSets, KINDS.daemonSets, KINDS.jobs];

export interface OwnerLookup {
  readonly api: Pick<KubernetesApi, "get">;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * The objects that an Event about an owner's pods belongs to: the owner, and what controls it, such as a ReplicaSet and
 * its Deployment. Any pod of the cluster can call the webhook with a forged review, so the API must confirm the owner
 * with the uid that the review names: who may not read an object does not know its uid. Otherwise, and for another kind
 * of owner, there is none.
 */
export async function findEventOwners(
  { api, ...options }: OwnerLookup,
  { apiVersion, kind, namespace, name, uid }: OwnerObject,
): Promise<readonly OwnerObject[]> {
  const known = CONTROLLERS.find((one) => one.kind === kind && apiVersion.startsWith(`${one.group}/`));
  if (known === undefined) return [];
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
