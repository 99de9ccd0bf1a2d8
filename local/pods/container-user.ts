import type { ContainerManifest, PodManifest } from "./pod-manifest.ts";

/** The ids of a container's process. */
export interface ContainerUser {
  readonly uid: number;
  readonly gid: number;
  /** The supplementary groups, with the pod's fsGroup. */
  readonly groups: readonly number[];
}

/** The user of applications without runAsUser. */
const NOBODY = 65_534;

/** The user of a container; a null value counts as absent, so that the pod's own value applies. */
export function containerUser({ securityContext: own }: ContainerManifest, { spec }: PodManifest): ContainerUser {
  const pod = spec.securityContext;
  const uid = own?.runAsUser ?? pod?.runAsUser ?? NOBODY;
  const { fsGroup, supplementalGroups } = pod ?? {};
  const groups = [...(supplementalGroups ?? []), ...(typeof fsGroup === "number" ? [fsGroup] : [])];
  return { uid, gid: own?.runAsGroup ?? pod?.runAsGroup ?? uid, groups };
}
