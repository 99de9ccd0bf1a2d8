import { DNS_LABEL, DNS_SUBDOMAIN, type ResourceOrigin } from "../fields/metadata.ts";
import type { AuthorizationPolicy } from "../kinds/authorization-policy.ts";
import type { Resource } from "../resource.ts";
import { type KindDescription, RESOURCE_KINDS } from "../resource-kinds.ts";
import { groupOf, NOT_SERVED } from "./classify-kind.ts";
import { fieldOf, isPlainObject, type PlainValue } from "./plain-value.ts";
import { type Candidate, DENY_ALL, listCandidates, type StandInKind } from "./stand-in-candidates.ts";

/**
 * What takes the place of an invalid resource as long as there is no valid version of it: as strict as anything that it
 * may have required. For rules about clients that is STRICT, in all that the resource may cover; for an
 * AuthorizationPolicy it denies everything there; for a RequestAuthentication it refuses every token, or denies. A
 * DestinationRule becomes one without settings, so that mutual TLS is used wherever the server can (auto mTLS), and never
 * less. Other kinds have no stand-in: without them less is allowed, not more.
 * @returns more than one only if the kind is not readable
 */
export function createStandIns(document: PlainValue, origin: ResourceOrigin | undefined): readonly Resource[] {
  return findKinds(document).flatMap((kind) => createStandIn(document, kind, origin) ?? []);
}

function createStandIn(
  document: PlainValue,
  kind: StandInKind,
  origin: ResourceOrigin | undefined,
): Resource | undefined {
  const metadata = readMetadata(document, kind);
  // A misspelled kind must not take the place of a valid object of the right one.
  const isOfKind = fieldOf(document, "kind") === kind;
  const name = isOfKind ? metadata.name : `unreadable-${metadata.name}`;
  for (const candidate of listCandidates(kind, metadata.name, document)) {
    if (metadata.namespace === undefined && kind !== "DestinationRule") {
      return createMeshStandIn(kind, name, origin);
    }
    const resource = build(kind, metadata, candidate);
    if (resource === undefined) continue;
    return { ...resource, metadata: { ...resource.metadata, name }, ...(origin === undefined ? {} : { origin }) };
  }
  return undefined;
}

/** The stand-ins for text that may contain any policy: everything is STRICT, and denied. */
export function createStandInsForText(name: string, origin: ResourceOrigin | undefined): readonly Resource[] {
  return [
    createMeshStandIn("PeerAuthentication", name, origin),
    createMeshStandIn("AuthorizationPolicy", name, origin),
  ];
}

/** The stand-ins for policies of which only the kind can be read. */
export function createStandInsForKinds(
  kinds: readonly string[],
  origin: ResourceOrigin | undefined,
): readonly Resource[] {
  const covering = new Set(kinds.map((kind) => (isOfPeers(kind) ? PEERS : AUTHORIZATION)));
  return [...covering].map((kind) => createMeshStandIn(kind, "unreadable", origin));
}

/** The kinds of policies that a text mentions, each as often as it does. */
export function listPolicyKinds(text: string): readonly string[] {
  return [...text.matchAll(POLICY)].map(([, kind = ""]) => kind);
}

/** How a text that is not YAML shows that it may contain a policy. */
const POLICY =
  /\bkind["']?\s*:\s*["']?(PeerAuthentication|MeshPolicy|Policy|RequestAuthentication|AuthorizationPolicy)\b/g;
const PEERS = "PeerAuthentication";
const AUTHORIZATION = "AuthorizationPolicy";

function isOfPeers(kind: string): boolean {
  return kind === PEERS || kind === "MeshPolicy" || kind === "Policy";
}

/** Covers the mesh. A RequestAuthentication of which nothing is readable denies, like a policy. */
function createMeshStandIn(
  kind: Exclude<StandInKind, "DestinationRule">,
  name: string,
  origin: ResourceOrigin | undefined,
): Resource {
  const shared = {
    apiVersion: "security.istio.io/v1",
    metadata: { name, namespace: "", labels: {}, annotations: {}, ownerReferences: [] },
    standsInFor: "mesh",
    ...(origin === undefined ? {} : { origin }),
  } as const;
  switch (kind) {
    case "RequestAuthentication":
      return { ...shared, kind, spec: { targetRefs: [], jwtRules: [] }, denial: createDenial(shared, undefined) };
    case "AuthorizationPolicy":
      return createDenial(shared, undefined);
    default:
      return { ...shared, kind: PEERS, spec: { mtls: { mode: "STRICT" }, portLevelMtls: {} } };
  }
}

/** A policy that denies everything in its scope. */
function createDenial(
  header: Omit<AuthorizationPolicy, "kind" | "spec">,
  targets: Pick<AuthorizationPolicy["spec"], "selector" | "targetRef" | "targetRefs"> | undefined,
): AuthorizationPolicy {
  const { selector, targetRef, targetRefs = [] } = targets ?? {};
  const spec = {
    ...(selector === undefined ? {} : { selector }),
    ...(targetRef === undefined ? {} : { targetRef }),
    targetRefs,
    action: DENY_ALL.action,
    rules: [{ from: [], to: [], when: [] }],
  };
  return { ...header, kind: AUTHORIZATION, spec };
}

/** A misspelled kind of a group that has only policies counts as one; without a kind, as any of them. */
function findKinds(document: PlainValue): readonly StandInKind[] {
  const kind = fieldOf(document, "kind");
  const apiVersion = fieldOf(document, "apiVersion");
  const group = typeof apiVersion === "string" ? groupOf(apiVersion) : "";
  switch (kind) {
    case PEERS:
    case "RequestAuthentication":
    case "MeshPolicy":
    case "DestinationRule":
      return [kind];
    // Other projects have kinds of these names, too.
    case "Policy":
      return group === "" || group.endsWith("istio.io") ? [kind] : [];
    case AUTHORIZATION:
      return group === "" || group.endsWith("istio.io") || group.startsWith("security.") ? [kind] : [];
  }
  if (typeof kind === "string" && NOT_SERVED.includes(kind)) return [];
  if (group === "authentication.istio.io") return [PEERS];
  if (group !== "security.istio.io") return [];
  return typeof kind === "string" ? [nearestKind(kind)] : [PEERS, AUTHORIZATION];
}

function nearestKind(misspelled: string): StandInKind {
  if (/^auth|polic/i.test(misspelled)) return AUTHORIZATION;
  return /request|token|jwt/i.test(misspelled) ? "RequestAuthentication" : PEERS;
}

interface ReadMetadata {
  readonly name: string;
  /** `undefined`: unreadable. */
  readonly namespace: string | undefined;
  readonly creationTimestamp?: string;
  readonly uid?: string;
}

function readMetadata(document: PlainValue, kind: StandInKind): ReadMetadata {
  const metadata = fieldOf(document, "metadata");
  const name = fieldOf(metadata, "name");
  // A misspelled kind may be one without a namespace, and metadata without a name may have lost both.
  const otherwise = fieldOf(document, "kind") === kind && typeof name === "string" ? "default" : null;
  const namespace = isPlainObject(metadata) ? (fieldOf(metadata, "namespace") ?? otherwise) : null;
  const creationTimestamp = fieldOf(metadata, "creationTimestamp");
  const uid = fieldOf(metadata, "uid");
  return {
    name: typeof name === "string" && DNS_SUBDOMAIN.test(name) ? name : "unreadable",
    namespace: kind === "MeshPolicy" ? "" : readNamespace(namespace),
    ...(typeof creationTimestamp === "string" ? { creationTimestamp } : {}),
    ...(typeof uid === "string" ? { uid } : {}),
  };
}

function readNamespace(value: PlainValue): string | undefined {
  return typeof value === "string" && DNS_LABEL.test(value) ? value : undefined;
}

function build(kind: StandInKind, metadata: ReadMetadata, candidate: Candidate): Resource | undefined {
  const { spec, scope, name } = candidate;
  const description: KindDescription | undefined = RESOURCE_KINDS.find((described) => described.kind === kind);
  const namespace = metadata.namespace ?? "";
  const [version = ""] = description?.versions ?? [];
  const parsed = description?.parse(
    { metadata: { ...metadata, namespace, name: name ?? metadata.name }, spec },
    { apiVersion: `${description.group}/${version}` },
  );
  if (parsed?.kind !== "resource") return undefined;
  const resource = {
    ...parsed.resource,
    metadata: { ...parsed.resource.metadata, name: metadata.name },
    standsInFor: metadata.namespace === undefined ? ("mesh" as const) : scope,
  };
  return resource.kind === "RequestAuthentication" && candidate.denies === true
    ? { ...resource, denial: createDenial(headerOf(resource), resource.spec) }
    : resource;
}

function headerOf({ apiVersion, metadata, standsInFor }: Resource): Omit<AuthorizationPolicy, "kind" | "spec"> {
  const name = `unreadable-request-authentication-${metadata.name}`;
  return { apiVersion, metadata: { ...metadata, name }, ...(standsInFor === undefined ? {} : { standsInFor }) };
}
