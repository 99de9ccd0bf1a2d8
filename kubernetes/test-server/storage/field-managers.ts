import { isDeepStrictEqual } from "node:util";
import type { KubernetesObject, ObjectMeta } from "../../kubernetes-api.ts";
import { type Fields, isFields } from "../../requests/api-response.ts";
import {
  type FieldSet,
  fieldsOf,
  formatFieldsV1,
  itemStep,
  type ListKeys,
  parseFieldsV1,
  parsePath,
  valueAt,
  withoutPath,
} from "./field-sets.ts";
import { RefusedRequest } from "./refused-request.ts";

/** Who writes, and how. */
export interface Writer {
  readonly manager: string;
  readonly subresource?: "status" | undefined;
  readonly force?: boolean | undefined;
  readonly nowMs: number;
  readonly listKeys: ListKeys;
}

interface Entry {
  readonly manager: string;
  readonly operation: string;
  readonly subresource: string | undefined;
  readonly fields: FieldSet;
  readonly original: Fields;
}

/**
 * Server-side apply: the object with the applied fields, those that the manager applied before and does not any more
 * taken away. Throws 409 for fields of other managers with another value, unless forced.
 */
export function applyFields(previous: KubernetesObject, applied: KubernetesObject, writer: Writer): KubernetesObject {
  const entries = parseEntries(previous.metadata.managedFields ?? []);
  const own = entries.find((entry) => isOwn(entry, writer, "Apply"));
  const wanted = fieldsOf(managedPart(applied), writer.listKeys);
  const others = withoutConflicts(
    entries.filter((entry) => entry !== own),
    { previous, applied, wanted, writer },
  );
  const abandoned = [...(own?.fields ?? [])].filter(
    (path) => !wanted.has(path) && !isOwnedByOther(path, others, wanted),
  );
  // Items before their fields: without its keys an item would not be found.
  const ordered = abandoned.sort((one, other) => parsePath(one).length - parsePath(other).length);
  let merged: unknown = mergeValues(previous, managedPart(applied), writer.listKeys, []);
  for (const path of ordered) merged = withoutPath(merged, parsePath(path));
  const entry = formatEntry(previous, writer, "Apply", wanted);
  return withEntries(previous, isFields(merged) ? merged : {}, [...others.map(({ original }) => original), entry]);
}

/** An object after a create, replace or patch: changed fields belong to its writer now. */
export function trackUpdate(
  previous: KubernetesObject | undefined,
  next: KubernetesObject,
  writer: Writer,
): KubernetesObject {
  const entries = parseEntries(previous?.metadata.managedFields ?? []);
  const own = entries.find((entry) => isOwn(entry, writer, "Update"));
  const present = fieldsOf(managedPart(next), writer.listKeys);
  const isChanged = (path: string): boolean =>
    !isDeepStrictEqual(valueAt(previous, parsePath(path)), valueAt(next, parsePath(path)));
  const changed = new Set([...present].filter((path) => !isItem(path) && isChanged(path)));
  const fields = new Set([...(own?.fields ?? []), ...changed].filter((path) => present.has(path)));
  const others = entries
    .filter((entry) => entry !== own)
    .flatMap((entry) => reduceEntry(entry, (path) => present.has(path) && !changed.has(path)));
  const entry = fields.size === 0 ? [] : [formatEntry(next, writer, "Update", fields)];
  return withEntries(next, next, [...others.map(({ original }) => original), ...entry]);
}

interface ConflictCheck {
  readonly previous: KubernetesObject;
  readonly applied: KubernetesObject;
  readonly wanted: FieldSet;
  readonly writer: Writer;
}

/** The other managers' entries, without the fields that are taken over by force. */
function withoutConflicts(
  others: readonly Entry[],
  { previous, applied, wanted, writer }: ConflictCheck,
): readonly Entry[] {
  const differs = (path: string): boolean =>
    !isItem(path) && !isDeepStrictEqual(valueAt(previous, parsePath(path)), valueAt(applied, parsePath(path)));
  const taken = [...wanted].filter(differs);
  const conflicts = others.flatMap(({ manager, fields }) =>
    taken.filter((path) => fields.has(path)).map((path) => `conflict with "${manager}": ${formatPath(path)}`),
  );
  if (conflicts.length === 0) return others;
  if (!writer.force) {
    const text = `Apply failed with ${conflicts.length} conflict${conflicts.length > 1 ? "s" : ""}: ${conflicts.join(", ")}`;
    throw new RefusedRequest(409, "Conflict", text, {
      causes: conflicts.map(() => ({ reason: "FieldManagerConflict" })),
    });
  }
  const takenSet = new Set(taken);
  return others.flatMap((entry) => reduceEntry(entry, (path) => !takenSet.has(path)));
}

/** An item with keys stays while a manager owns anything of it. */
function isOwnedByOther(path: string, others: readonly Entry[], wanted: FieldSet): boolean {
  const prefix = `${path.slice(0, -1)},`;
  const isPart = (one: string): boolean => one === path || (isItem(path) && one.startsWith(prefix));
  return others.some(({ fields }) => [...fields].some(isPart)) || [...wanted].some(isPart);
}

function mergeValues(previous: unknown, applied: unknown, listKeys: ListKeys, path: readonly string[]): unknown {
  if (isFields(applied) && isFields(previous)) {
    const merged: Record<string, unknown> = { ...previous };
    for (const [name, value] of Object.entries(applied)) {
      merged[name] = mergeValues(previous[name], value, listKeys, [...path, `f:${name}`]);
    }
    return merged;
  }
  const keys = Array.isArray(applied) ? listKeys(path) : undefined;
  if (!Array.isArray(applied) || !Array.isArray(previous) || keys === undefined) return applied;
  const steps = new Map(applied.map((item) => [itemStep(item, keys), item]));
  const kept = previous.map((item) => {
    const step = itemStep(item, keys);
    const change = steps.get(step);
    steps.delete(step);
    return change === undefined ? item : mergeValues(item, change, listKeys, [...path, step]);
  });
  return [...kept, ...steps.values()];
}

/** What managers can own: everything but the object's identity and what the server writes. */
function managedPart({ apiVersion: _, kind: __, metadata, ...content }: KubernetesObject): Fields {
  const { labels, annotations, finalizers, ownerReferences } = metadata;
  const named = Object.entries({ labels, annotations, finalizers, ownerReferences });
  const present = named.filter(([, value]) => value !== undefined);
  return { ...content, ...(present.length > 0 && { metadata: Object.fromEntries(present) }) };
}

function isItem(path: string): boolean {
  return parsePath(path).at(-1)?.startsWith("k:") === true;
}

function isOwn(entry: Entry, { manager, subresource }: Writer, operation: "Apply" | "Update"): boolean {
  return entry.manager === manager && entry.operation === operation && entry.subresource === subresource;
}

function reduceEntry(entry: Entry, isKept: (path: string) => boolean): readonly Entry[] {
  const fields = new Set([...entry.fields].filter(isKept));
  if (fields.size === entry.fields.size) return [entry];
  return fields.size === 0
    ? []
    : [{ ...entry, fields, original: { ...entry.original, fieldsV1: formatFieldsV1(fields) } }];
}

function parseEntries(managedFields: readonly unknown[]): readonly Entry[] {
  return managedFields.filter(isFields).map((original) => ({
    manager: String(original["manager"]),
    operation: String(original["operation"]),
    subresource: typeof original["subresource"] === "string" ? original["subresource"] : undefined,
    fields: parseFieldsV1(original["fieldsV1"]),
    original,
  }));
}

function formatEntry(
  object: KubernetesObject,
  writer: Writer,
  operation: "Apply" | "Update",
  fields: FieldSet,
): Fields {
  return {
    manager: writer.manager,
    operation,
    apiVersion: object.apiVersion,
    time: new Date(writer.nowMs).toISOString().replace(/\.\d+Z$/, "Z"),
    fieldsType: "FieldsV1",
    fieldsV1: formatFieldsV1(fields),
    ...(writer.subresource !== undefined && { subresource: writer.subresource }),
  };
}

function withEntries(
  { apiVersion, kind, metadata }: KubernetesObject,
  content: Fields,
  managedFields: readonly Fields[],
): KubernetesObject {
  const merged = isFields(content["metadata"]) ? content["metadata"] : {};
  const { labels, annotations, finalizers, ownerReferences, managedFields: _, ...identity } = metadata;
  const whole: ObjectMeta = { ...merged, ...identity, managedFields };
  return { ...content, apiVersion, kind, metadata: whole };
}

function formatPath(path: string): string {
  return parsePath(path)
    .map((step) => (step.startsWith("f:") ? `.${step.slice(2)}` : `[${step.slice(2)}]`))
    .join("");
}
