/** The values of JSON. */
export type PlainValue = string | number | boolean | null | readonly PlainValue[] | PlainObject;

/** The path from a document to one of its values: field names and list indexes. */
export type FieldPath = readonly (string | number)[];

export interface PlainObject {
  readonly [field: string]: PlainValue;
}

export type PlainResult =
  | { readonly kind: "plain"; readonly value: PlainValue }
  | { readonly kind: "invalid"; readonly path: FieldPath; readonly message: string };

const MAX_DEPTH = 64;
/** A mesh resource has hundreds of values; the limit also ends the expansion of recursive aliases. */
const MAX_VALUES = 100_000;

/** Copies a parser's value, if it is a bounded tree of plain data. */
export function plainFromUnknown(value: unknown): PlainResult {
  const state = { left: MAX_VALUES };
  try {
    return { kind: "plain", value: copy(value, [], state) };
  } catch (caught) {
    if (caught instanceof InvalidValue) return { kind: "invalid", path: caught.path, message: caught.message };
    throw caught;
  }
}

/** Whether a value is a mapping. */
export function isPlainObject(value: unknown): value is PlainObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A field of a mapping; undefined if the value is not a mapping. */
export function fieldOf(value: PlainValue | undefined, field: string): PlainValue | undefined {
  return isPlainObject(value) && Object.hasOwn(value, field) ? value[field] : undefined;
}

/** Some fields of a mapping, without those that are absent or null. */
export function pickFields(value: PlainValue | undefined, fields: readonly string[]): PlainObject {
  const found = fields.map((field): [string, PlainValue] => [field, fieldOf(value, field) ?? null]);
  return Object.fromEntries(found.filter(([, child]) => child !== null));
}

class InvalidValue extends Error {
  readonly path: FieldPath;

  constructor(path: FieldPath, message: string) {
    super(message);
    this.path = path;
  }
}

function copy(value: unknown, path: FieldPath, state: { left: number }): PlainValue {
  state.left -= 1;
  if (state.left < 0) throw new InvalidValue([], `the document has more than ${MAX_VALUES} values; split it`);
  if (path.length > MAX_DEPTH) throw new InvalidValue(path.slice(0, 1), `nested more than ${MAX_DEPTH} deep`);
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return value;
  if (Array.isArray(value)) return value.map((item, index) => copy(item, [...path, index], state));
  if (typeof value !== "object" || Object.getPrototypeOf(value) !== Object.prototype) {
    throw new InvalidValue(path, "only text, numbers, booleans, lists and mappings are supported");
  }
  return copyObject(value, path, state);
}

function copyObject(value: object, path: FieldPath, state: { left: number }): PlainObject {
  const copied: Record<string, PlainValue> = {};
  for (const [field, child] of Object.entries(value)) {
    if (field === "__proto__") throw new InvalidValue(path, "a field named `__proto__` is not allowed");
    copied[field] = copy(child, [...path, field], state);
  }
  return copied;
}
