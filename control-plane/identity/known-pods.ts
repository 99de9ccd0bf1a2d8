import type { PodName, TagPod } from "../../ca-agent/revocation/pod-name.ts";
import type { PodTag } from "../../mesh/identity/pod-tag.ts";
import { type SpiffeId, spiffeIdParts } from "../../mesh/identity/spiffe-id.ts";
import { formatResourceKey } from "../../mesh/resources/fields/resource-names.ts";
import type { Pod } from "../../mesh/resources/kinds/pod.ts";
import type { ResourceSet } from "../../mesh/resources/resource-set.ts";

/**
 * The pods with this identity and address that have not ended. A pod that drains still counts. More than one share the
 * address of their node.
 */
export function findPodsAt(set: ResourceSet, identity: SpiffeId, address: string): readonly PodName[] {
  return (set.index.podsByIp.get(address) ?? []).filter((pod) => isOf(pod, identity)).map(nameOf);
}

/** The pods of a namespace by their tags, as `NAMESPACE/NAME`. */
interface TagIndex {
  readonly pods: readonly Pod[];
  readonly keys: ReadonlyMap<PodTag, string>;
}

/**
 * A function that finds whether one of the pods with an identity that have not ended has a tag. It hashes each pod once, and
 * looks through a namespace only for a tag that is not known there, once after each change of the namespace: each handshake
 * asks, in a namespace with thousands of pods.
 */
export function createTagLookup(tagPod: TagPod): (set: ResourceSet, identity: SpiffeId, tag: PodTag) => boolean {
  const tags = new WeakMap<Pod, PodTag>();
  const indexes = new Map<string, TagIndex>();
  const tagOf = (pod: Pod): PodTag => {
    const tag = tags.get(pod) ?? tagPod(nameOf(pod));
    tags.set(pod, tag);
    return tag;
  };
  const refresh = (set: ResourceSet, namespace: string): TagIndex => {
    const pods = set.index.podsByNamespace.get(namespace) ?? [];
    const last = indexes.get(namespace);
    if (last?.pods === pods) return last;
    const index = { pods, keys: new Map(pods.map((pod) => [tagOf(pod), keyOf(pod)])) };
    indexes.set(namespace, index);
    for (const name of indexes.keys()) if (!set.index.podsByNamespace.has(name)) indexes.delete(name);
    return index;
  };
  return (set, identity, tag) => {
    const { namespace } = spiffeIdParts(identity);
    const isKnownIn = (index: TagIndex | undefined): boolean => {
      const pod = set.pods.get(index?.keys.get(tag) ?? "");
      return pod !== undefined && tagOf(pod) === tag && isOf(pod, identity);
    };
    return isKnownIn(indexes.get(namespace)) || isKnownIn(refresh(set, namespace));
  };
}

function isOf({ metadata, spec, status: { phase } }: Pod, identity: SpiffeId): boolean {
  const { namespace, serviceAccount } = spiffeIdParts(identity);
  if (metadata.namespace !== namespace || spec.serviceAccountName !== serviceAccount) return false;
  return phase !== "Succeeded" && phase !== "Failed";
}

/**
 * A function that finds the pod of a uid, or else of a name: an operator may have given a pod's uid with another name, and
 * certificates have only the uid. @param set undefined: it is not known which pods there are
 */
export function findPod(set: ResourceSet | undefined): (pod: PodName) => PodName | "none" | "unknown" {
  let byUid: ReadonlyMap<string | undefined, Pod> | undefined;
  return ({ namespace, name, uid }) => {
    if (set === undefined) return "unknown";
    const named = set.pods.get(formatResourceKey(namespace, name));
    if (uid === undefined || named?.metadata.uid === uid) return named === undefined ? "none" : nameOf(named);
    byUid ??= new Map([...set.pods.values()].map((pod) => [pod.metadata.uid, pod]));
    const found = byUid.get(uid) ?? named;
    return found === undefined ? "none" : nameOf(found);
  };
}

function keyOf({ metadata: { namespace, name } }: Pod): string {
  return formatResourceKey(namespace, name);
}

function nameOf({ metadata: { namespace, name, uid } }: Pod): PodName {
  return { namespace, name, ...(uid !== undefined && { uid }) };
}
