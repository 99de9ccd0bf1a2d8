import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, KubernetesObject } from "../../kubernetes/kubernetes-api.ts";

/** The kinds of an installation's objects, in the order in which they are removed: what calls others goes first. */
export const INSTALLED_KINDS: readonly ApiKind[] = [
  KINDS.mutatingWebhooks,
  KINDS.validatingWebhooks,
  KINDS.deployments,
  KINDS.podDisruptionBudgets,
  KINDS.services,
  KINDS.roleBindings,
  KINDS.clusterRoleBindings,
  KINDS.roles,
  KINDS.clusterRoles,
  KINDS.serviceAccounts,
  KINDS.configMaps,
  KINDS.customResourceDefinitions,
  KINDS.namespaces,
];

/** The kind of an object that `renderInstallation` made. */
export function installedKind({ kind }: Pick<KubernetesObject, "kind">): ApiKind {
  const found = INSTALLED_KINDS.find((candidate) => candidate.kind === kind);
  if (found === undefined) throw new TypeError(`${kind} is not a kind of an installation`);
  return found;
}

/** `Deployment istio-system/istiod` */
export function describeObject({ kind, metadata }: KubernetesObject): string {
  return `${kind} ${metadata.namespace === undefined ? "" : `${metadata.namespace}/`}${metadata.name}`;
}

/** A label selector as the API takes it. */
export function formatSelector(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .join(",");
}
