import { type SpiffeId, spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";
import { podAddresses } from "../../mesh/resources/fields/pod-addresses.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";

/**
 * The pods with this identity and address that have not ended. A pod that drains still counts. More than one share the
 * address of their node.
 */
export function findPodsAt(set: ResourceSet, identity: SpiffeId, address: string): readonly Pod[] {
  const { namespace, serviceAccount } = spiffeIdParts(identity);
  return (set.index.podsByNamespace.get(namespace) ?? []).filter(
    (pod) =>
      pod.spec.serviceAccountName === serviceAccount &&
      pod.status.phase !== "Succeeded" &&
      pod.status.phase !== "Failed" &&
      podAddresses(pod).includes(address),
  );
}
