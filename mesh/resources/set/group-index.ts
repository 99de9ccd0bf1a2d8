import { PersistentMap } from "./persistent-map.ts";

/** An item that is added (no `before`), removed (no `after`) or replaced. */
export interface ItemChange<Item> {
  readonly before: Item | undefined;
  readonly after: Item | undefined;
}

/** Items by the keys that they have. Groups are in the order in which their items were added; none is empty. */
export type GroupIndex<Item> = PersistentMap<readonly Item[]>;

export function emptyIndex<Item>(): GroupIndex<Item> {
  return PersistentMap.empty<readonly Item[]>();
}

/** The groups that differ after a change; `undefined` for one that is now empty. */
export type ChangedGroups<Item> = ReadonlyMap<string, readonly Item[] | undefined>;

/** Computes the groups that change with some items. Only these are copied. */
export function regroup<Item>(
  index: GroupIndex<Item>,
  changes: readonly ItemChange<Item>[],
  keysOf: (item: Item) => readonly string[],
): ChangedGroups<Item> {
  const changed = new Map<string, Item[]>();
  const groupOf = (key: string): Item[] => {
    const group = changed.get(key) ?? [...(index.get(key) ?? [])];
    changed.set(key, group);
    return group;
  };
  for (const { before, after } of changes) {
    const old = new Set(before && keysOf(before));
    const now = new Set(after && keysOf(after));
    for (const key of old) replace(groupOf(key), before, now.has(key) ? after : undefined);
    for (const key of now) if (!old.has(key)) replace(groupOf(key), undefined, after);
  }
  return new Map([...changed].map(([key, group]) => [key, group.length === 0 ? undefined : group]));
}

function replace<Item>(group: Item[], before: Item | undefined, after: Item | undefined): void {
  const place = before === undefined ? -1 : group.indexOf(before);
  const added = after === undefined ? [] : [after];
  if (place < 0) group.push(...added);
  else group.splice(place, 1, ...added);
}
