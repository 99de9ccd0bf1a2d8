/** The fields of a JSON object, checked to be known. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether fields that are not known are an error, or those of a later version. */
export type UnknownFields = "refused" | "ignored";

/** One token that is a string, and the colon that makes it a key. */
const KEYS = /"(?:[^"\\]|\\.)*"(\s*:)?/g;

/**
 * Parses JSON in which no object has a key twice: `JSON.parse` keeps the last of them and drops the others in silence.
 * Throws a plain Error without any of the text.
 */
export function parseJson(text: string, what: string): unknown {
  let kept = 0;
  const value = parse(text, what, (found) => {
    if (typeof found === "object" && found !== null && !Array.isArray(found)) kept += Object.keys(found).length;
  });
  const written = [...text.matchAll(KEYS)].filter(([, colon]) => colon !== undefined).length;
  if (kept !== written) throw new Error(`${what} has an object with the same key twice`);
  return value;
}

/** The reviver of `JSON.parse` sees each value once. */
function parse(text: string, what: string, see: (value: unknown) => void): unknown {
  try {
    return JSON.parse(text, (_key, value: unknown) => {
      see(value);
      return value;
    });
  } catch {
    throw new Error(`${what} is not JSON`);
  }
}

export function readItems(value: unknown, what: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new Error(`${what} is not a JSON array`);
  return value;
}

/** @param unknown what becomes of fields that are not allowed: those of a later version are dropped. @default "refused" */
export function readFields(
  value: unknown,
  what: string,
  allowed: readonly string[],
  unknown: UnknownFields = "refused",
): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${what} is not a JSON object`);
  }
  const fields: Fields = { ...value };
  const foreign = Object.keys(fields).find((name) => !allowed.includes(name));
  if (foreign !== undefined && unknown === "refused") {
    throw new Error(`${what} has the unknown field ${quote(foreign)}: use ${allowed.join(", ")}`);
  }
  return fields;
}

/** A text of this form; undefined if the field is absent. */
export function readText(fields: Fields, name: string, what: string, form?: RegExp): string | undefined {
  if (!Object.hasOwn(fields, name)) return undefined;
  const value = fields[name];
  if (typeof value !== "string" || value === "") throw new Error(`${what}: ${name} must be a text that is not empty`);
  if (form !== undefined && !form.test(value)) throw new Error(`${what}: ${name} has an invalid value ${quote(value)}`);
  return value;
}

/** Escaped, so that it cannot forge a log line, and truncated. */
function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
