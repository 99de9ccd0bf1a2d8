import { KINDS } from "../../kinds.ts";
import type { KubernetesObject } from "../../kubernetes-api.ts";
import { type Fields, isFields } from "../../requests/api-response.ts";
import type { ApiAttempt } from "../serving/request-route.ts";
import { storageKey } from "../storage/served-kinds.ts";
import type { TestCluster } from "../test-cluster.ts";
import type { Identity } from "./identities.ts";

/** Whether the cluster's roles and bindings allow an attempt. `system:masters` may everything. */
export function isAllowed(cluster: TestCluster, identity: Identity, attempt: ApiAttempt): boolean {
  if (identity.groups.includes("system:masters")) return true;
  // Granted to everybody by system:basic-user.
  if (attempt.resource === "selfsubjectaccessreviews") return true;
  return rulesFor(cluster, identity, attempt.namespace).some((rule) => allows(rule, attempt));
}

/** The sentence with which the API server refuses. */
export function formatDenial({ user, verb, group, resource, subresource, namespace, name }: ApiAttempt): string {
  const what = subresource === undefined ? resource : `${resource}/${subresource}`;
  const scope = namespace === undefined ? "at the cluster scope" : `in the namespace "${namespace}"`;
  const object = name === undefined ? "" : ` "${name}"`;
  const full = group === "" ? what : `${what}.${group}`;
  return `${full}${object} is forbidden: User "${user}" cannot ${verb} resource "${what}" in API group "${group}" ${scope}`;
}

function rulesFor(cluster: TestCluster, identity: Identity, namespace: string | undefined): readonly Fields[] {
  const read = (kind: (typeof KINDS)[keyof typeof KINDS]): readonly KubernetesObject[] =>
    cluster.history.list(storageKey(kind));
  const global = read(KINDS.clusterRoleBindings);
  const local = read(KINDS.roleBindings).filter(({ metadata }) => metadata.namespace === namespace);
  const bound = [...global, ...(namespace === undefined ? [] : local)].filter((binding) => isBound(binding, identity));
  return bound.flatMap(({ roleRef, metadata }) => {
    if (!isFields(roleRef)) return [];
    const roles = roleRef["kind"] === "ClusterRole" ? read(KINDS.clusterRoles) : read(KINDS.roles);
    const role = roles.find(
      (one) =>
        one.metadata.name === roleRef["name"] &&
        (roleRef["kind"] === "ClusterRole" || one.metadata.namespace === metadata.namespace),
    );
    return Array.isArray(role?.["rules"]) ? role["rules"].filter(isFields) : [];
  });
}

function isBound({ subjects }: KubernetesObject, { name, groups }: Identity): boolean {
  if (!Array.isArray(subjects)) return false;
  return subjects.filter(isFields).some((subject) => {
    if (subject["kind"] === "Group") return groups.includes(String(subject["name"]));
    if (subject["kind"] === "User") return subject["name"] === name;
    return `system:serviceaccount:${subject["namespace"]}:${subject["name"]}` === name;
  });
}

function allows(rule: Fields, { verb, group, resource, subresource, name }: ApiAttempt): boolean {
  const { resourceNames } = rule;
  const full = subresource === undefined ? resource : `${resource}/${subresource}`;
  if (!includes(rule["verbs"], verb) || !includes(rule["apiGroups"], group) || !includes(rule["resources"], full)) {
    return false;
  }
  if (!Array.isArray(resourceNames) || resourceNames.length === 0) return true;
  // A list, a watch and a create have no name to compare, unless a field selector gives one.
  return name !== undefined && resourceNames.includes(name);
}

function includes(values: unknown, wanted: string): boolean {
  return Array.isArray(values) && (values.includes("*") || values.includes(wanted));
}
