import { KINDS } from "../../kubernetes/kinds.ts";
import type { ApiKind, DiscoveredKind } from "../../kubernetes/kubernetes-api.ts";
import type { ResourceKind } from "../../mesh/resources/resource.ts";
import { type KindDescription, RESOURCE_KINDS } from "../../mesh/resources/resource-kinds.ts";

/**
 * Kubernetes' own kinds of which the configuration consists: every server has them, at this version.
 */
export const CORE_KINDS: ReadonlyMap<ResourceKind, ApiKind> = new Map<ResourceKind, ApiKind>([
  ["Namespace", KINDS.namespaces],
  ["Service", KINDS.services],
  ["EndpointSlice", KINDS.endpointSlices],
  ["Pod", KINDS.pods],
]);

/** The mesh's kinds: defined by CRDs, which may be absent, or have other versions. */
export const MESH_KINDS: readonly KindDescription[] = RESOURCE_KINDS.filter(({ group }) => group.endsWith(".istio.io"));

/** The names of the mesh's kinds in paths. */
export const PLURALS: ReadonlyMap<string, string> = new Map([
  ["MeshPolicy", "meshpolicies"],
  ["Policy", "policies"],
  ["PeerAuthentication", "peerauthentications"],
  ["RequestAuthentication", "requestauthentications"],
  ["AuthorizationPolicy", "authorizationpolicies"],
  ["DestinationRule", "destinationrules"],
  ["VirtualService", "virtualservices"],
  ["Gateway", "gateways"],
]);

/**
 * The kind in the version that is expected, for a server that does not list it: while a server starts, its list of kinds
 * lacks those of CRDs, but a request for one is refused with 503 and not with 404.
 */
export function expectedKind({ kind, group, versions, clusterWide }: KindDescription): ApiKind {
  const [version = ""] = versions;
  return { group, version, kind, plural: PLURALS.get(kind) ?? "", isNamespaced: !clusterWide };
}

/**
 * The version in which a kind is read: the newest that is known. If the server has only others, one of these: then each
 * object is reported as invalid, and none is missed.
 * @returns `undefined` if the server does not have the kind
 */
export function chooseVersion(
  { kind, versions }: Pick<KindDescription, "kind" | "versions">,
  discovered: readonly DiscoveredKind[],
): ApiKind | undefined {
  const served = discovered.filter((candidate) => candidate.kind === kind);
  const known = versions.flatMap((version) => served.find((candidate) => candidate.version === version) ?? []);
  return known[0] ?? served.find(({ isPreferredVersion }) => isPreferredVersion) ?? served[0];
}
