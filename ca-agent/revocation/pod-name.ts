import { type PodTag, tagOfPodName, tagOfPodUid } from "../../mesh/identity/pod-tag.ts";

/** A pod. Pods that follow each other under one name, as those of a StatefulSet, have different uids. */
export interface PodName {
  readonly namespace: string;
  readonly name: string;
  /** Absent: not known, or every pod of this name. */
  readonly uid?: string;
}

/** `NAMESPACE/NAME`. */
export function formatPodName({ namespace, name }: PodName): string {
  return `${namespace}/${name}`;
}

/** Whether both can be the same pod. An unknown uid may be any. */
export function isSamePod(one: PodName, other: PodName): boolean {
  if (one.namespace !== other.namespace || one.name !== other.name) return false;
  return one.uid === undefined || other.uid === undefined || one.uid === other.uid;
}

/** The tag in the serial numbers of a pod's certificates. */
export type TagPod = (pod: PodName) => PodTag;

/** Where an API server gives each pod a uid, which its token proves. A name without a uid is no pod that could have one. */
export function tagPodByUid(pod: PodName): PodTag {
  return pod.uid === undefined ? tagOfPodName(pod) : tagOfPodUid(pod.uid);
}
