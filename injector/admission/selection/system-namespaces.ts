/** Namespaces whose pods are never injected, because the cluster could not repair itself without them. Istio's list. */
export const SYSTEM_NAMESPACES: readonly string[] = [
  "kube-system",
  "kube-public",
  "kube-node-lease",
  "local-path-storage",
];
