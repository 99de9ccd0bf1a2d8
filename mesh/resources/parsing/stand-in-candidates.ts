import { DRY_RUN_ANNOTATION, isDryRun } from "../fields/dry-run.ts";
import type { StandInScope } from "../fields/metadata.ts";
import { fieldOf, isPlainObject, type PlainObject, type PlainValue, pickFields } from "./plain-value.ts";

export type StandInKind =
  | "PeerAuthentication"
  | "Policy"
  | "MeshPolicy"
  | "RequestAuthentication"
  | "AuthorizationPolicy"
  | "DestinationRule";

/** A specification that may take the place of an invalid one, if the schema accepts it. */
export interface Candidate {
  readonly spec: PlainObject;
  readonly scope: StandInScope;
  /** A name that the schema accepts together with this specification. @default the document's */
  readonly name?: string;
  /** For a RequestAuthentication: nothing is allowed, because it is not known where its tokens are. */
  readonly denies?: true;
}

/** From what keeps most of the document to what covers most. None: without the resource nothing more is allowed. */
export function listCandidates(kind: StandInKind, name: string, document: PlainValue): readonly Candidate[] {
  const spec = fieldOf(document, "spec");
  switch (kind) {
    case "PeerAuthentication":
      return peerAuthentications(spec);
    case "MeshPolicy":
      return [{ spec: STRICT_PEERS, scope: "as_written", name: "default" }];
    case "Policy":
      return policies(name, spec);
    case "RequestAuthentication":
      return requestAuthentications(spec);
    case "AuthorizationPolicy":
      return isWithoutEffect(document) ? [] : authorizationPolicies(spec);
    case "DestinationRule":
      return destinationRules(spec);
  }
}

const STRICT = { mode: "STRICT" } as const;
const STRICT_PEERS = { peers: [{ mtls: STRICT }] } as const;

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

export const DENY_ALL = { action: "DENY", rules: [{}] } as const;
const TARGETS: readonly string[] = ["selector", "targetRef", "targetRefs"];

function authorizationPolicies(spec: PlainValue | undefined): readonly Candidate[] {
  const wide: Candidate = { spec: DENY_ALL, scope: "namespace" };
  const targets = pickFields(spec, TARGETS);
  if (Object.keys(targets).length > 0) return [{ spec: { ...DENY_ALL, ...targets }, scope: "as_written" }, wide];
  return isPlainObject(spec) || (spec ?? null) === null ? [{ ...wide, scope: "as_written" }] : [wide];
}

/** AUDIT and a dry run never deny. A dry run that cannot be read as one is enforced. */
function isWithoutEffect(document: PlainValue): boolean {
  const action = fieldOf(fieldOf(document, "spec"), "action") ?? "ALLOW";
  const annotation = fieldOf(fieldOf(fieldOf(document, "metadata"), "annotations"), DRY_RUN_ANNOTATION);
  const annotations = typeof annotation === "string" ? { [DRY_RUN_ANNOTATION]: annotation } : {};
  return action === "AUDIT" || ((action === "ALLOW" || action === "DENY") && isDryRun({ annotations }));
}

/** No token has this issuer, and nothing is signed with a key of an empty set. */
const UNVERIFIABLE = { issuer: "unreadable", jwks: '{"keys":[]}' } as const;
/** What of a rule for tokens only says which tokens are valid. */
const ABOUT_VALIDITY: readonly string[] = [
  "issuer",
  "audiences",
  "jwks",
  "jwksUri",
  "jwks_uri",
  "timeout",
  "spaceDelimitedClaims",
];

/**
 * Tokens are refused wherever they may be, and the fields that carry what was verified are kept from clients. If it is
 * not readable which places and fields these are, everything is denied: otherwise a token would pass unverified, and a
 * policy that denies its principal would not see it.
 */
function requestAuthentications(spec: PlainValue | undefined): readonly Candidate[] {
  const wide: Candidate = { spec: {}, scope: "namespace", denies: true };
  if (!isPlainObject(spec)) return [wide];
  const rules = fieldOf(spec, "jwtRules");
  const denying: Candidate = { spec: pickFields(spec, TARGETS), scope: "as_written", denies: true };
  if (!Array.isArray(rules)) return [denying, wide];
  // Unknown fields are kept, so that the schema refuses them: they may be misspelled ones.
  const refusing = { ...spec, jwtRules: rules.map(refuseTokens) };
  const others = pickFields(
    refusing,
    Object.keys(refusing).filter((field) => !TARGETS.includes(field)),
  );
  return [{ spec: refusing, scope: "as_written" }, { spec: others, scope: "namespace" }, denying, wide];
}

function refuseTokens(rule: PlainValue): PlainValue {
  if (!isPlainObject(rule)) return rule;
  const places = Object.keys(rule).filter((field) => !ABOUT_VALIDITY.includes(field));
  return { ...pickFields(rule, places), ...UNVERIFIABLE };
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
