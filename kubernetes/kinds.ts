import type { ApiKind } from "./kubernetes-api.ts";

type Scope = "namespaced" | "cluster";

function apiKind(groupVersion: string, plural: string, kind: string, scope: Scope = "namespaced"): ApiKind {
  const [version = "", group = ""] = groupVersion.split("/").reverse();
  return { group, version, plural, kind, isNamespaced: scope === "namespaced" };
}

/** The supported minor versions of Kubernetes 1. The oldest is the first with native sidecars and match conditions. */
export const OLDEST_MINOR = 29;
/** The newest that Entente was tried with; a later one is not refused. */
export const NEWEST_MINOR = 36;

/** Kubernetes' own kinds that Entente uses, at versions that all of these serve. */
export const KINDS = {
  namespaces: apiKind("v1", "namespaces", "Namespace", "cluster"),
  nodes: apiKind("v1", "nodes", "Node", "cluster"),
  pods: apiKind("v1", "pods", "Pod"),
  services: apiKind("v1", "services", "Service"),
  endpoints: apiKind("v1", "endpoints", "Endpoints"),
  serviceAccounts: apiKind("v1", "serviceaccounts", "ServiceAccount"),
  configMaps: apiKind("v1", "configmaps", "ConfigMap"),
  secrets: apiKind("v1", "secrets", "Secret"),
  endpointSlices: apiKind("discovery.k8s.io/v1", "endpointslices", "EndpointSlice"),
  deployments: apiKind("apps/v1", "deployments", "Deployment"),
  replicaSets: apiKind("apps/v1", "replicasets", "ReplicaSet"),
  statefulSets: apiKind("apps/v1", "statefulsets", "StatefulSet"),
  daemonSets: apiKind("apps/v1", "daemonsets", "DaemonSet"),
  jobs: apiKind("batch/v1", "jobs", "Job"),
  cronJobs: apiKind("batch/v1", "cronjobs", "CronJob"),
  podDisruptionBudgets: apiKind("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget"),
  horizontalPodAutoscalers: apiKind("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler"),
  networkPolicies: apiKind("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy"),
  events: apiKind("events.k8s.io/v1", "events", "Event"),
  leases: apiKind("coordination.k8s.io/v1", "leases", "Lease"),
  roles: apiKind("rbac.authorization.k8s.io/v1", "roles", "Role"),
  roleBindings: apiKind("rbac.authorization.k8s.io/v1", "rolebindings", "RoleBinding"),
  clusterRoles: apiKind("rbac.authorization.k8s.io/v1", "clusterroles", "ClusterRole", "cluster"),
  clusterRoleBindings: apiKind("rbac.authorization.k8s.io/v1", "clusterrolebindings", "ClusterRoleBinding", "cluster"),
  mutatingWebhooks: apiKind(
    "admissionregistration.k8s.io/v1",
    "mutatingwebhookconfigurations",
    "MutatingWebhookConfiguration",
    "cluster",
  ),
  validatingWebhooks: apiKind(
    "admissionregistration.k8s.io/v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    "cluster",
  ),
  customResourceDefinitions: apiKind(
    "apiextensions.k8s.io/v1",
    "customresourcedefinitions",
    "CustomResourceDefinition",
    "cluster",
  ),
  tokenReviews: apiKind("authentication.k8s.io/v1", "tokenreviews", "TokenReview", "cluster"),
  selfSubjectAccessReviews: apiKind(
    "authorization.k8s.io/v1",
    "selfsubjectaccessreviews",
    "SelfSubjectAccessReview",
    "cluster",
  ),
} as const satisfies Readonly<Record<string, ApiKind>>;

/** `networking.istio.io/v1`, or `v1` for the core group. */
export function apiVersionOf({ group, version }: ApiKind): string {
  return group === "" ? version : `${group}/${version}`;
}

/** For messages: `destinationrules.networking.istio.io`, or `pods`. */
export function formatResourceName({ group, plural }: ApiKind): string {
  return group === "" ? plural : `${plural}.${group}`;
}
