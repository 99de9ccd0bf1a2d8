import type { V1PodSecurityContext, V1SecurityContext } from "@kubernetes/client-node";

/** What the Pod Security level `restricted` requires of a pod. User 1337 is the image's own. */
export const POD_SECURITY: V1PodSecurityContext = {
  runAsNonRoot: true,
  runAsUser: 1337,
  runAsGroup: 1337,
  fsGroup: 1337,
  seccompProfile: { type: "RuntimeDefault" },
};

/** What it requires of a container. In addition, nothing is written to the root file system. */
export const CONTAINER_SECURITY: V1SecurityContext = {
  allowPrivilegeEscalation: false,
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ["ALL"] },
};
