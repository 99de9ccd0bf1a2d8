import { applyPatch, type Operation } from "rfc6902";
import { type Fields, isFields } from "../../requests/api-response.ts";
import type { ListKeys } from "./field-sets.ts";
import { itemStep } from "./field-sets.ts";
import { badRequest } from "./refused-request.ts";

/** JSON Merge Patch (RFC 7386). */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isFields(patch)) return patch;
  const merged: Record<string, unknown> = isFields(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete merged[name];
    else merged[name] = mergePatch(merged[name], value);
  }
  return merged;
}

/** JSON Patch (RFC 6902). */
export function jsonPatch(target: unknown, operations: unknown): unknown {
  if (!isPatch(operations)) throw badRequest("a JSON Patch is a list of operations");
  const result: unknown = structuredClone(target);
  const [error] = applyPatch(result, operations).filter((fault) => fault !== null);
  if (error !== undefined) throw badRequest(`the patch cannot be applied: ${error.message}`);
  return result;
}

function isPatch(value: unknown): value is Operation[] {
  return Array.isArray(value) && value.every((item) => isFields(item) && typeof item["path"] === "string");
}

/** Strategic merge, as far as kubectl sends it: lists with keys are merged, `$patch: delete` takes an item away. */
export function strategicPatch(
  target: unknown,
  patch: unknown,
  listKeys: ListKeys,
  path: readonly string[] = [],
): unknown {
  if (isFields(patch)) return mergeFields(target, patch, listKeys, path);
  const keys = Array.isArray(patch) ? listKeys(path) : undefined;
  if (!Array.isArray(patch) || keys === undefined) return patch;
  let items: readonly unknown[] = Array.isArray(target) ? target : [];
  for (const change of patch) {
    const step = itemStep(change, keys);
    const isSame = (item: unknown): boolean => itemStep(item, keys) === step;
    if (isFields(change) && change["$patch"] === "delete") items = items.filter((item) => !isSame(item));
    else if (items.some(isSame)) {
      items = items.map((item) => (isSame(item) ? strategicPatch(item, change, listKeys, [...path, step]) : item));
    } else items = [...items, change];
  }
  return items;
}

function mergeFields(target: unknown, patch: Fields, listKeys: ListKeys, path: readonly string[]): Fields {
  const merged: Record<string, unknown> = isFields(target) ? { ...target } : {};
  for (const [name, value] of Object.entries(patch)) {
    // `$setElementOrder/…`, `$retainKeys`: only the order, which no consumer of these tests needs.
    if (name.startsWith("$")) continue;
    if (value === null) delete merged[name];
    else merged[name] = strategicPatch(merged[name], value, listKeys, [...path, `f:${name}`]);
  }
  return merged;
}
