import type { PodName } from "../../ca-agent/revocation/pod-name.ts";
import { type SpiffeId, spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";
import { podAddresses } from "../../mesh/resources/fields/pod-addresses.ts";
import { formatResourceKey } from "../../mesh/resources/fields/resource-names.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";

/**
 * The pods with this identity and address that have not ended. A pod that drains still counts. More than one share the
 * address of their node.
 */
export function findPodsAt(set: ResourceSet, identity: SpiffeId, address: string): readonly PodName[] {
  const { namespace, serviceAccount } = spiffeIdParts(identity);
  return (set.index.podsByNamespace.get(namespace) ?? [])
    .filter(
      (pod) =>
        pod.spec.serviceAccountName === serviceAccount &&
        pod.status.phase !== "Succeeded" &&
        pod.status.phase !== "Failed" &&
        podAddresses(pod).includes(address),
    )
    .map(nameOf);
}

/** A function that finds the pod of a name. @param set undefined: it is not known which pods there are */
export function findPodNamed(set: ResourceSet | undefined): (pod: PodName) => PodName | "none" | "unknown" {
  return ({ namespace, name }) => {
    if (set === undefined) return "unknown";
    const pod = set.pods.get(formatResourceKey(namespace, name));
    return pod === undefined ? "none" : nameOf(pod);
  };
}

function nameOf({ metadata: { namespace, name, uid } }: Pod): PodName {
  return { namespace, name, ...(uid !== undefined && { uid }) };
}
