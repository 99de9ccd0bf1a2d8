import { type Fields, isFields } from "../../requests/api-response.ts";

/**
 * Which fields of an object a manager owns: the paths of its leaves, each as JSON. A step is `f:NAME` for a field or
 * `k:{…}` for the item of a list with keys, as in `metadata.managedFields`.
 */
export type FieldSet = ReadonlySet<string>;

export type FieldPath = readonly string[];

/** The keys by which a list's items are told apart; undefined: the list is one value. */
export type ListKeys = (path: FieldPath) => readonly string[] | undefined;

/** The leaves of a value. The path of an item with keys is one too: it says that the item itself is owned. */
export function fieldsOf(value: unknown, listKeys: ListKeys, path: FieldPath = []): FieldSet {
  const found = new Set<string>();
  collect(value, path, listKeys, (leaf) => found.add(JSON.stringify(leaf)));
  return found;
}

function collect(value: unknown, path: FieldPath, listKeys: ListKeys, add: (leaf: FieldPath) => void): void {
  const keys = Array.isArray(value) ? listKeys(path) : undefined;
  if (Array.isArray(value) && keys !== undefined) {
    for (const item of value) {
      const itemPath = [...path, itemStep(item, keys)];
      add(itemPath);
      collect(item, itemPath, listKeys, add);
    }
  } else if (isFields(value) && Object.keys(value).length > 0) {
    for (const [name, child] of Object.entries(value)) collect(child, [...path, `f:${name}`], listKeys, add);
  } else if (path.length > 0) add(path);
}

/** `k:{"name":"app"}`. */
export function itemStep(item: unknown, keys: readonly string[]): string {
  const fields = isFields(item) ? item : {};
  const present = keys.filter((key) => fields[key] !== undefined);
  return `k:${JSON.stringify(Object.fromEntries(present.map((key) => [key, fields[key]])))}`;
}

/** The value at a path; undefined if there is none. */
export function valueAt(root: unknown, path: FieldPath): unknown {
  let value = root;
  for (const step of path) {
    if (step.startsWith("f:")) value = isFields(value) ? value[step.slice(2)] : undefined;
    else value = Array.isArray(value) ? value.find((item) => hasKeys(item, step)) : undefined;
  }
  return value;
}

/** The value without what is at a path, and without the containers that this empties. */
export function withoutPath(value: unknown, [step, ...rest]: FieldPath): unknown {
  if (step === undefined) return undefined;
  if (step.startsWith("f:") && isFields(value)) return withoutField(value, step.slice(2), rest);
  if (!Array.isArray(value)) return value;
  const items = value.flatMap((item) => {
    if (!hasKeys(item, step)) return [item];
    const kept = rest.length === 0 ? undefined : withoutPath(item, rest);
    return kept === undefined ? [] : [kept];
  });
  return items.length === 0 ? undefined : items;
}

function withoutField(value: Fields, name: string, rest: FieldPath): Fields | undefined {
  if (!Object.hasOwn(value, name)) return value;
  const { [name]: child, ...others } = value;
  const kept = rest.length === 0 ? undefined : withoutPath(child, rest);
  const result = kept === undefined ? others : { ...value, [name]: kept };
  return Object.keys(result).length === 0 ? undefined : result;
}

function hasKeys(item: unknown, step: string): boolean {
  const keys: unknown = JSON.parse(step.slice(2));
  return isFields(item) && isFields(keys) && Object.entries(keys).every(([key, value]) => item[key] === value);
}

/** `fieldsV1` of `metadata.managedFields`. */
export function formatFieldsV1(set: FieldSet): Fields {
  const root: Record<string, unknown> = {};
  for (const text of set) {
    let node = root;
    for (const step of parsePath(text)) {
      const child = isFields(node[step]) ? { ...node[step] } : {};
      node[step] = child;
      node = child;
    }
    if (parsePath(text).at(-1)?.startsWith("k:")) node["."] = {};
  }
  return root;
}

export function parseFieldsV1(fields: unknown, path: FieldPath = []): FieldSet {
  const found = new Set<string>();
  const entries = isFields(fields) ? Object.entries(fields) : [];
  if (entries.length === 0 && path.length > 0) found.add(JSON.stringify(path));
  for (const [step, children] of entries) {
    const own = step === "." ? [JSON.stringify(path)] : parseFieldsV1(children, [...path, step]);
    for (const text of own) found.add(text);
  }
  return found;
}

export function parsePath(text: string): FieldPath {
  const path: unknown = JSON.parse(text);
  return Array.isArray(path) ? path.map(String) : [];
}
