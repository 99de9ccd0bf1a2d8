import { DNS_LABEL, DNS_SUBDOMAIN, type ResourceOrigin, type StandInScope } from "../fields/metadata.ts";
import type { Resource } from "../resource.ts";
import { type KindDescription, RESOURCE_KINDS } from "../resource-kinds.ts";
import { groupOf, NOT_SERVED } from "./classify-kind.ts";
import { fieldOf, isPlainObject, type PlainObject, type PlainValue, pickFields } from "./plain-value.ts";

/**
 * What takes the place of an invalid resource as long as there is no valid version of it: as strict as anything that it
 * may have required. For rules about clients that is STRICT, in all that the resource may cover. A DestinationRule becomes
 * one without settings, so that mutual TLS is used wherever the server can (auto mTLS), and never less. Other kinds have
 * no stand-in: without them less is allowed, not more.
 */
export function createStandIn(document: PlainValue, origin: ResourceOrigin | undefined): Resource | undefined {
  const kind = findKind(document);
  if (kind === undefined) return undefined;
  const metadata = readMetadata(document, kind);
  if (metadata.namespace === undefined && kind !== "DestinationRule")
    return createStandInForText(metadata.name, origin);
  const spec = fieldOf(document, "spec");
  for (const candidate of listCandidates(kind, metadata.name, spec)) {
    const resource = build(kind, metadata, candidate);
    if (resource !== undefined) return { ...resource, ...(origin === undefined ? {} : { origin }) };
  }
  return undefined;
}

/** The stand-in for text that may contain any policy: everything is STRICT. */
export function createStandInForText(name: string, origin: ResourceOrigin | undefined): Resource {
  return {
    kind: "PeerAuthentication",
    apiVersion: "security.istio.io/v1",
    metadata: { name, namespace: "", labels: {}, annotations: {}, ownerReferences: [] },
    spec: { mtls: { mode: "STRICT" }, portLevelMtls: {} },
    standsInFor: "mesh",
    ...(origin === undefined ? {} : { origin }),
  };
}

type StandInKind = "PeerAuthentication" | "Policy" | "MeshPolicy" | "DestinationRule";

/** A misspelled kind of a group that has only policies counts as one. */
function findKind(document: PlainValue): StandInKind | undefined {
  const kind = fieldOf(document, "kind");
  const apiVersion = fieldOf(document, "apiVersion");
  const group = typeof apiVersion === "string" ? groupOf(apiVersion) : "";
  if (kind === "PeerAuthentication" || kind === "MeshPolicy" || kind === "DestinationRule") return kind;
  // Other projects have kinds of this name, too.
  if (kind === "Policy") return group === "" || group.endsWith("istio.io") ? kind : undefined;
  if (typeof kind === "string" && NOT_SERVED.includes(kind)) return undefined;
  return group === "authentication.istio.io" || group === "security.istio.io" ? "PeerAuthentication" : undefined;
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

interface Candidate {
  readonly spec: PlainObject;
  readonly scope: StandInScope;
  /** A name that the schema accepts together with this specification. @default the document's */
  readonly name?: string;
}

const STRICT = { mode: "STRICT" } as const;
const STRICT_PEERS = { peers: [{ mtls: STRICT }] } as const;

/** From what keeps most of the document to what covers most. */
function listCandidates(kind: StandInKind, name: string, spec: PlainValue | undefined): readonly Candidate[] {
  switch (kind) {
    case "PeerAuthentication":
      return peerAuthentications(spec);
    case "MeshPolicy":
      return [{ spec: STRICT_PEERS, scope: "as_written", name: "default" }];
    case "Policy":
      return policies(name, spec);
    case "DestinationRule":
      return destinationRules(spec);
  }
}

function peerAuthentications(spec: PlainValue | undefined): readonly Candidate[] {
  const selector = fieldOf(spec, "selector");
  const wide: Candidate = { spec: { mtls: STRICT }, scope: "namespace" };
  if (selector !== undefined && selector !== null) {
    return [{ spec: { selector, mtls: STRICT }, scope: "as_written" }, wide];
  }
  return isPlainObject(spec) || (spec ?? null) === null ? [{ ...wide, scope: "as_written" }] : [wide];
}

function policies(name: string, spec: PlainValue | undefined): readonly Candidate[] {
  const targets = fieldOf(spec, "targets") ?? [];
  const wide: Candidate = { spec: STRICT_PEERS, scope: "namespace", name: "default" };
  if (!Array.isArray(targets)) return [wide];
  if (targets.length === 0) return [{ ...wide, scope: name === "default" ? "as_written" : "namespace" }];
  if (name === "default") return [wide];
  const names = targets.map((target) => ({ name: fieldOf(target, "name") ?? "" }));
  return [
    { spec: { ...STRICT_PEERS, targets }, scope: "as_written" },
    { spec: { ...STRICT_PEERS, targets: names }, scope: "as_written" },
    wide,
  ];
}

/** An empty traffic policy is one, so that no other rule's takes its place. */
function destinationRules(spec: PlainValue | undefined): readonly Candidate[] {
  const host = fieldOf(spec, "host") ?? "";
  const subsets = fieldOf(spec, "subsets");
  const named = Array.isArray(subsets)
    ? subsets.map((subset) => ({ name: fieldOf(subset, "name") ?? "", labels: fieldOf(subset, "labels") ?? {} }))
    : [];
  const scope = "as_written";
  const visibility = pickFields(spec, ["exportTo", "workloadSelector"]);
  return [
    { spec: { host, trafficPolicy: {}, subsets: named, ...visibility }, scope },
    { spec: { host, trafficPolicy: {}, subsets: named }, scope },
    { spec: { host, trafficPolicy: {}, ...visibility }, scope },
    { spec: { host, trafficPolicy: {} }, scope },
    { spec: { host: "*", trafficPolicy: {} }, scope: "mesh" },
  ];
}

function build(kind: StandInKind, metadata: ReadMetadata, { spec, scope, name }: Candidate): Resource | undefined {
  const description: KindDescription | undefined = RESOURCE_KINDS.find((candidate) => candidate.kind === kind);
  const namespace = metadata.namespace ?? "";
  const [version = ""] = description?.versions ?? [];
  const parsed = description?.parse(
    { metadata: { ...metadata, namespace, name: name ?? metadata.name }, spec },
    { apiVersion: `${description.group}/${version}` },
  );
  if (parsed?.kind !== "resource") return undefined;
  const { resource } = parsed;
  return {
    ...resource,
    metadata: { ...resource.metadata, name: metadata.name },
    standsInFor: metadata.namespace === undefined ? "mesh" : scope,
  };
}
