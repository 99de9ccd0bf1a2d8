import { CONNECTION_LABEL_NAMES, type ConnectionLabels, overflowLabels } from "./connection-labels.ts";

/** One value per label set. The set is looked up once per connection, not per byte or request. */
export interface LabelSets<Value> {
  /** The value of these labels, or of their overflow set if there is no room for their own. */
  get(labels: ConnectionLabels): Value;
  values(): readonly Value[];
}

/** Holds at most `maxSets` label sets plus the few of `overflowLabels`. @param create makes the value of a new set. */
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

/** The label of values without room. */
export const OTHER_LABEL = "other";

/**
 * Keeps the first `maxValues` different values and maps further ones to `other`: for reasons that originate on the
 * wire, such as OpenSSL's names of alerts.
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
