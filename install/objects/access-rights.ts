import type { V1ClusterRole, V1ClusterRoleBinding, V1PolicyRule, V1Role, V1RoleBinding } from "@kubernetes/client-node";
import { CUSTOM_RESOURCES } from "../crds/custom-resources.ts";
import { groupOf } from "../crds/kind-description.ts";
import type { InstallValues } from "../values/install-values.ts";
import { type Component, clusterName, componentLabels, withRevision } from "./names.ts";
import { injectorNames, STATE_NAMES } from "./state-names.ts";

/** How a reflector follows a kind. */
const FOLLOW = ["list", "watch"];
/** Server-side apply of an object that does not exist. */
const CREATE_NAMED = ["patch", "create"];
const RBAC = "rbac.authorization.k8s.io";
const ADMISSION = "admissionregistration.k8s.io";

/** What one component may do: in the whole cluster, and in its own namespace. */
interface Rights {
  readonly component: Component;
  readonly cluster: readonly V1PolicyRule[];
  readonly namespace: readonly V1PolicyRule[];
}

/**
 * The least that works; a test runs the shipped programs with exactly these rights. RBAC cannot limit a plain `create` to
 * a name, but server-side apply names what it creates: so no program may create a Secret but its own. The gateway needs no
 * right at all.
 */
export function accessRights(values: InstallValues) {
  return [controlPlaneRights(), injectorRights(values)].flatMap((rights) => rolesOf(rights, values));
}

function controlPlaneRights(): Rights {
  return {
    component: "istiod",
    cluster: [
      ...FOLLOW_CONFIGURATION,
      // What is wrong with a resource: a condition in its status, and an Event.
      ...meshResources(["patch"], "/status"),
      rule("events.k8s.io", ["events"], ["create"]),
      rule("authentication.k8s.io", ["tokenreviews"], ["create"]),
      // The mesh's roots, in every namespace.
      rule("", ["configmaps"], ["get", ...FOLLOW, "create", "patch"], [STATE_NAMES.rootsConfigMap]),
    ],
    namespace: [
      rule("", ["secrets"], ["get", ...FOLLOW], [STATE_NAMES.authoritySecret, STATE_NAMES.operatorSecret]),
      // The authority's Secret is created where it is missing, and changed when its root is replaced.
      rule("", ["secrets"], [...CREATE_NAMED, "update"], [STATE_NAMES.authoritySecret]),
      // What operators ask of the authority, and the certificates of revoked pods.
      rule("", ["configmaps"], ["get", ...FOLLOW, ...CREATE_NAMED, "update"], [STATE_NAMES.controlConfigMap]),
      // Which of the control planes replaces the root, and what each of them sees of its sidecars. The names are the pods'.
      rule("coordination.k8s.io", ["leases"], ["get", ...FOLLOW, ...CREATE_NAMED, "update", "delete"]),
    ],
  };
}

function injectorRights(values: InstallValues): Rights {
  const { secret, configurations } = injectorNames(values);
  return {
    component: "istio-sidecar-injector",
    cluster: [
      // For the warnings of the validating webhook.
      ...FOLLOW_CONFIGURATION,
      // Whether every kubelet knows native sidecars.
      rule("", ["nodes"], FOLLOW),
      // Why a pod was refused: an Event on the ReplicaSet, if the webhook's caller did not invent it.
      rule("apps", ["replicasets", "statefulsets", "daemonsets"], ["get"]),
      rule("batch", ["jobs"], ["get"]),
      rule("events.k8s.io", ["events"], ["create"]),
      rule(ADMISSION, ["mutatingwebhookconfigurations"], ["get", "patch"], [configurations.mutating]),
      rule(ADMISSION, ["validatingwebhookconfigurations"], ["get", "patch"], [configurations.validating]),
    ],
    namespace: [
      rule("", ["secrets"], ["get", ...CREATE_NAMED, "update"], [secret]),
      // Its own pod, of which injected pods get the image.
      rule("", ["pods"], ["get"]),
    ],
  };
}

/** The sources of the configuration. */
const FOLLOW_CONFIGURATION: readonly V1PolicyRule[] = [
  rule("", ["namespaces", "pods", "services"], FOLLOW),
  rule("discovery.k8s.io", ["endpointslices"], FOLLOW),
  ...meshResources(FOLLOW),
];

function meshResources(verbs: readonly string[], subresource = ""): readonly V1PolicyRule[] {
  const byGroup = Map.groupBy(CUSTOM_RESOURCES, ({ kind }) => groupOf(kind));
  return [...byGroup].map(([group, resources]) =>
    rule(
      group,
      resources.map(({ plural }) => `${plural}${subresource}`),
      verbs,
    ),
  );
}

function rule(
  group: string,
  resources: readonly string[],
  verbs: readonly string[],
  resourceNames?: readonly string[],
): V1PolicyRule {
  return {
    apiGroups: [group],
    resources: [...resources],
    ...(resourceNames && { resourceNames: [...resourceNames] }),
    verbs: [...verbs],
  };
}

function rolesOf({ component, cluster, namespace }: Rights, values: InstallValues) {
  const name = withRevision(component, values);
  const clusterRole = clusterName(`${component}-clusterrole`, values);
  const labels = componentLabels(component, values);
  const subjects = [{ kind: "ServiceAccount", name, namespace: values.namespace }];
  const apiVersion = `${RBAC}/v1`;
  return [
    {
      apiVersion,
      kind: "ClusterRole",
      metadata: { name: clusterRole, labels },
      rules: [...cluster],
    } satisfies V1ClusterRole,
    {
      apiVersion,
      kind: "ClusterRoleBinding",
      metadata: { name: clusterRole, labels },
      roleRef: { apiGroup: RBAC, kind: "ClusterRole", name: clusterRole },
      subjects,
    } satisfies V1ClusterRoleBinding,
    {
      apiVersion,
      kind: "Role",
      metadata: { name, namespace: values.namespace, labels },
      rules: [...namespace],
    } satisfies V1Role,
    {
      apiVersion,
      kind: "RoleBinding",
      metadata: { name, namespace: values.namespace, labels },
      roleRef: { apiGroup: RBAC, kind: "Role", name },
      subjects,
    } satisfies V1RoleBinding,
  ];
}
