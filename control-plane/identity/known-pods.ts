import { type SpiffeId, spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";
import { podAddresses } from "../../mesh/resources/fields/pod-addresses.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";

/** Whether a pod with this identity has this address, and has not ended. A pod that drains still counts. */
export function isAddressOf(set: ResourceSet, identity: SpiffeId, address: string): boolean {
  const { namespace, serviceAccount } = spiffeIdParts(identity);
  return (set.index.podsByNamespace.get(namespace) ?? []).some(
    (pod) =>
      pod.spec.serviceAccountName === serviceAccount &&
      pod.status.phase !== "Succeeded" &&
      pod.status.phase !== "Failed" &&
      podAddresses(pod).includes(address),
  );
}
