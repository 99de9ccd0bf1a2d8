import { CONNECTION_LABEL_NAMES, type ConnectionLabels, overflowLabels } from "./connection-labels.ts";

/** One value a label set. The set is looked up once a connection, not once a byte or request. */
export interface LabelSets<Value> {
  /** The value of these labels; of their overflow set, where there is no room for a set of their own. */
  get(labels: ConnectionLabels): Value;
  values(): readonly Value[];
}

/** Holds at most `maxSets` label sets and the few of `overflowLabels`. @param create makes the value of a new set. */
export function createLabelSets<Value>(maxSets: number, create: (labels: ConnectionLabels) => Value): LabelSets<Value> {
  const table = new Map<string, Value>();
  const insert = (key: string, labels: ConnectionLabels): Value => {
    const value = create(labels);
    table.set(key, value);
    return value;
  };
  return {
    get(labels) {
      const key = keyOf(labels);
      const known = table.get(key);
      if (known !== undefined) return known;
      if (table.size < maxSets) return insert(key, labels);
      const overflow = overflowLabels(labels);
      const overflowKey = keyOf(overflow);
      return table.get(overflowKey) ?? insert(overflowKey, overflow);
    },
    values: () => [...table.values()],
  };
}

function keyOf(labels: ConnectionLabels): string {
  return CONNECTION_LABEL_NAMES.map((name) => labels[name]).join("\n");
}

/** What a value counts as that has no room. */
export const OTHER_LABEL = "other";

/**
 * Passes the first `maxValues` different values on and turns further ones into `other`: for reasons that begin on the
 * wire, such as OpenSSL's names of the alerts that a peer may send.
 */
export function createLabelBound(maxValues: number): (value: string) => string {
  const known = new Set<string>();
  return (value) => {
    if (known.has(value)) return value;
    if (known.size >= maxValues) return OTHER_LABEL;
    known.add(value);
    return value;
  };
}
