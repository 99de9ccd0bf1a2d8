import { isDeepStrictEqual } from "node:util";
import { createPatch, type Operation, type Pointer } from "rfc6902";
import type { Pod } from "./pod.ts";

/** The JSON Patch (RFC 6902) that turns one pod into the other; empty if they are equal. */
export function buildPatch(before: Pod, after: Pod): readonly Operation[] {
  return createPatch(before, after, diffLists);
}

/**
 * Compares lists by item name from both ends and replaces only the items between. The library's own list comparison
 * takes time and stack proportional to the product of the lengths, and pods are untrusted input.
 */
function diffLists(before: unknown, after: unknown, pointer: Pointer): Operation[] | undefined {
  if (before === after) return [];
  if (!Array.isArray(before) || !Array.isArray(after)) return undefined;
  const { head, tail } = alignLists(before, after);
  const offset = after.length - before.length;
  const path = pointer.toString();
  const operations: Operation[] = [];
  for (let i = before.length - tail - 1; i >= head; i -= 1) operations.push({ op: "remove", path: `${path}/${i}` });
  for (let i = head; i < after.length - tail; i += 1) {
    operations.push({ op: "add", path: `${path}/${i}`, value: after[i] });
  }
  for (let i = 0; i < head; i += 1) operations.push(...diffItems(before[i], after[i], `${path}/${i}`));
  for (let i = before.length - tail; i < before.length; i += 1) {
    operations.push(...diffItems(before[i], after[i + offset], `${path}/${i + offset}`));
  }
  return operations;
}

export interface Alignment {
  /** How many items at the beginning match in both lists. */
  readonly head: number;
  /** How many of the remaining items match at the end. */
  readonly tail: number;
}

/** Matches the items of two lists from both ends: by name, or by value if they have no name. */
export function alignLists(before: readonly unknown[], after: readonly unknown[]): Alignment {
  const shorter = Math.min(before.length, after.length);
  const head = countWhile(shorter, (i) => isSameItem(before[i], after[i]));
  const tail = countWhile(shorter - head, (i) => isSameItem(before.at(-1 - i), after.at(-1 - i)));
  return { head, tail };
}

function diffItems(before: unknown, after: unknown, path: string): readonly Operation[] {
  return createPatch(before, after, diffLists).map((operation) => ({ ...operation, path: path + operation.path }));
}

function isSameItem(before: unknown, after: unknown): boolean {
  const name = nameOf(before);
  return name === undefined ? isDeepStrictEqual(before, after) : name === nameOf(after);
}

function nameOf(item: unknown): unknown {
  return typeof item === "object" && item !== null && "name" in item ? item.name : undefined;
}

function countWhile(limit: number, holds: (i: number) => boolean): number {
  let count = 0;
  while (count < limit && holds(count)) count += 1;
  return count;
}
