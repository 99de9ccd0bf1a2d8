/** The field of a value that came as JSON; `undefined` where there is none. */
export function fieldOf(value: unknown, name: string): unknown {
  if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
  return Reflect.get(value, name);
}

/** The field if it is text, else the empty string. */
export function textOf(value: unknown, name: string): string {
  const field = fieldOf(value, name);
  return typeof field === "string" ? field : "";
}

/** The field if it is a list, else an empty one. */
export function listOf(value: unknown, name: string): readonly unknown[] {
  const field: unknown = fieldOf(value, name);
  return Array.isArray(field) ? field : [];
}

/** The JSON value of a text, or `undefined` where it is none. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
