import { isDeepStrictEqual } from "node:util";
import { formatResourceName } from "../../mesh/resources/fields/resource-names.ts";
import type { Resource } from "../../mesh/resources/resource.ts";

/** The changed resources, by kind and name, for the log; at most `MAX_NAMES` of each sort. */
export interface ResourceChange {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

const MAX_NAMES = 20;

/** Removing a policy opens what it protected, so the log must show when it was removed. */
export function describeChange(before: readonly Resource[], after: readonly Resource[]): ResourceChange {
  const old = groupByName(before);
  const now = groupByName(after);
  const names = [...now.keys()];
  return {
    added: brief(names.filter((name) => !old.has(name))),
    changed: brief(names.filter((name) => old.has(name) && !isDeepStrictEqual(old.get(name), now.get(name)))),
    removed: brief([...old.keys()].filter((name) => !now.has(name))),
  };
}

/** A resource may be in several files, and the later one overrides the earlier; its line does not matter. */
function groupByName(resources: readonly Resource[]): ReadonlyMap<string, readonly object[]> {
  const groups = new Map<string, object[]>();
  for (const resource of resources) {
    const name = formatResourceName(resource);
    const { origin: _, ...content } = resource;
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [content]);
    else group.push(content);
  }
  return groups;
}

function brief(names: readonly string[]): readonly string[] {
  if (names.length <= MAX_NAMES) return names;
  return [...names.slice(0, MAX_NAMES), `and ${names.length - MAX_NAMES} more`];
}
