import type { PodName, TagPod } from "../../ca-agent/revocation/pod-name.ts";
import type { PodTag } from "../../mesh/identity/pod-tag.ts";
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
  return podsIn(set, identity)
    .filter((pod) => isOf(pod, identity) && podAddresses(pod).includes(address))
    .map(nameOf);
}

/** A function that finds whether one of the pods with an identity that have not ended has a tag. It hashes each pod once. */
export function createTagLookup(tagPod: TagPod): (set: ResourceSet, identity: SpiffeId, tag: PodTag) => boolean {
  const tags = new WeakMap<Pod, PodTag>();
  const tagOf = (pod: Pod): PodTag => {
    const tag = tags.get(pod) ?? tagPod(nameOf(pod));
    tags.set(pod, tag);
    return tag;
  };
  return (set, identity, tag) => podsIn(set, identity).some((pod) => tagOf(pod) === tag && isOf(pod, identity));
}

function podsIn(set: ResourceSet, identity: SpiffeId): readonly Pod[] {
  return set.index.podsByNamespace.get(spiffeIdParts(identity).namespace) ?? [];
}

function isOf({ spec, status: { phase } }: Pod, identity: SpiffeId): boolean {
  const { serviceAccount } = spiffeIdParts(identity);
  return spec.serviceAccountName === serviceAccount && phase !== "Succeeded" && phase !== "Failed";
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
