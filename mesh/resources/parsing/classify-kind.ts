import { quote } from "../fields/quote.ts";
import { type KindDescription, RESOURCE_KINDS } from "../resource-kinds.ts";

/** How a document with some `apiVersion` and `kind` is handled. */
export type KindVerdict =
  | { readonly kind: "known"; readonly description: KindDescription }
  /** What every application has beside its configuration: nothing is said about it. */
  | { readonly kind: "unread" }
  /** Ordinary Kubernetes objects that do not concern the mesh. */
  | { readonly kind: "ignored"; readonly message: string }
  | { readonly kind: "refused"; readonly field: "apiVersion" | "kind"; readonly message: string };

/** Istio kinds that restrict or change traffic but are not supported: ignoring them silently would be unsafe. */
export const NOT_SERVED: readonly string[] = [
  "EnvoyFilter",
  "ProxyConfig",
  "ServiceEntry",
  "Sidecar",
  "Telemetry",
  "WasmPlugin",
  "WorkloadEntry",
  "WorkloadGroup",
];

/** No other project has kinds of these names: another group is a spelling mistake, and ignoring them would be unsafe. */
const ONLY_OF_ISTIO: readonly string[] = [
  "PeerAuthentication",
  "RequestAuthentication",
  "MeshPolicy",
  "DestinationRule",
];

/** The kinds of Kubernetes' core and `apps` groups; any other kind there is a spelling mistake. */
const ORDINARY_KINDS: readonly string[] = [
  "Binding",
  "ComponentStatus",
  "ConfigMap",
  "ControllerRevision",
  "DaemonSet",
  "Event",
  "LimitRange",
  "PersistentVolume",
  "PersistentVolumeClaim",
  "PodTemplate",
  "ReplicaSet",
  "ReplicationController",
  "ResourceQuota",
  "Secret",
  "StatefulSet",
];

/** Of the core group. Identities are made of a pod's account by its name, and no decision reads these objects. */
const UNREAD_KINDS: readonly string[] = ["Node", "ServiceAccount"];

/** Decides by API group and kind. */
export function classifyKind(apiVersion: string, kind: string): KindVerdict {
  const group = groupOf(apiVersion);
  const version = apiVersion.slice(apiVersion.indexOf("/") + 1);
  const description = RESOURCE_KINDS.find((candidate) => candidate.group === group && candidate.kind === kind);
  if (description !== undefined) return checkVersion(description, version);
  if (group === "" && UNREAD_KINDS.includes(kind)) return { kind: "unread" };
  if (isOfIstio(group, kind)) return refuseIstioKind(group, kind);
  if ((group === "" || group === "apps") && !ORDINARY_KINDS.includes(kind))
    return refuseKubernetesKind(apiVersion, kind);
  return { kind: "ignored", message: `${kind} (${apiVersion}) does not configure the mesh and is ignored` };
}

/** Linkerd has AuthorizationPolicies in `policy.linkerd.io`; those of a group that looks like Istio's are misspelled. */
function isOfIstio(group: string, kind: string): boolean {
  if (group === "istio.io" || group.endsWith(".istio.io") || ONLY_OF_ISTIO.includes(kind)) return true;
  return kind === "AuthorizationPolicy" && group.startsWith("security.");
}

/** The API group of an apiVersion; empty for the core group. */
export function groupOf(apiVersion: string): string {
  return apiVersion.slice(0, Math.max(0, apiVersion.indexOf("/")));
}

function checkVersion(description: KindDescription, version: string): KindVerdict {
  if (description.versions.includes(version)) return { kind: "known", description };
  const versions = description.versions.map((known) => formatApiVersion(description.group, known)).join(", ");
  return {
    kind: "refused",
    field: "apiVersion",
    message: `${description.kind} has the versions ${versions}: use one of these`,
  };
}

function refuseIstioKind(group: string, kind: string): KindVerdict {
  if (NOT_SERVED.includes(kind)) {
    const message = `${kind} is not supported yet: it would have no effect, so it is refused`;
    return { kind: "refused", field: "kind", message };
  }
  const inGroup = RESOURCE_KINDS.filter((description) => description.group === group).map(({ kind: known }) => known);
  const inOther = RESOURCE_KINDS.find((description) => description.kind === kind);
  return { kind: "refused", field: "kind", message: `unknown kind ${quote(kind)}: ${fixOf(group, inGroup, inOther)}` };
}

function fixOf(group: string, inGroup: readonly string[], inOther: KindDescription | undefined): string {
  if (inOther !== undefined) return `it belongs to ${formatApiVersion(inOther.group, inOther.versions[0] ?? "")}`;
  if (inGroup.length === 0) return `${group} has no known kinds`;
  return `${group} has ${inGroup.join(", ")}`;
}

function refuseKubernetesKind(apiVersion: string, kind: string): KindVerdict {
  const elsewhere = RESOURCE_KINDS.find((description) => description.kind === kind);
  const fix =
    elsewhere === undefined
      ? "check its spelling"
      : `it belongs to ${formatApiVersion(elsewhere.group, elsewhere.versions[0] ?? "")}`;
  return { kind: "refused", field: "kind", message: `unknown kind ${quote(kind)} in ${quote(apiVersion)}: ${fix}` };
}

function formatApiVersion(group: string, version: string): string {
  return group === "" ? version : `${group}/${version}`;
}
