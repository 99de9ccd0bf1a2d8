import type { KindDescription } from "../resource-kinds.ts";
import { fieldOf, isPlainObject, type PlainObject, type PlainValue } from "./plain-value.ts";

const DEFAULT_NAMESPACE = "default";

/**
 * Prepares a document for its schema: `null` means absent, as in Kubernetes, except for a legacy policy's `mtls:`,
 * where an empty value means STRICT. `kubectl apply` drops nulls before it sends an object, so a peer that is left empty
 * is one too: without mutual TLS it would open what the policy closes. A namespaced kind without a namespace is in `default`, as with `kubectl`.
 */
export function normalizeDocument(document: PlainObject, description: KindDescription): PlainObject {
  const isLegacy = description.group === "authentication.istio.io";
  const cleaned = dropNulls(document, isLegacy);
  const metadata = fieldOf(cleaned, "metadata");
  if (!isPlainObject(cleaned) || !isPlainObject(metadata)) return document;
  const given = fieldOf(metadata, "namespace");
  const namespace = description.clusterWide ? "" : (given ?? DEFAULT_NAMESPACE);
  return {
    ...cleaned,
    metadata: { ...metadata, namespace: namespace === "" && !description.clusterWide ? DEFAULT_NAMESPACE : namespace },
  };
}

/** The parts that the document does not have. */
export function findAbsentParts(document: PlainObject): readonly ("spec" | "status")[] {
  return (["spec", "status"] as const).filter((part) => (fieldOf(document, part) ?? null) === null);
}

function dropNulls(value: PlainValue, isLegacy: boolean): PlainValue {
  if (Array.isArray(value)) return value.map((item) => dropNulls(item, isLegacy));
  if (!isPlainObject(value)) return value;
  const kept: Record<string, PlainValue> = {};
  for (const [field, child] of Object.entries(value)) {
    if (isLegacy && field === "peers" && Array.isArray(child)) kept[field] = child.map(completePeer);
    else if (child !== null) kept[field] = dropNulls(child, isLegacy);
    else if (isLegacy && field === "mtls") kept[field] = {};
  }
  return kept;
}

function completePeer(peer: PlainValue): PlainValue {
  const kept = dropNulls(peer, true);
  return isPlainObject(kept) && Object.keys(kept).length === 0 ? { mtls: {} } : kept;
}
