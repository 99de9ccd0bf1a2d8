import { isHarmlessRouteField } from "../fields/route-fields.ts";
import type { FieldPath } from "./plain-value.ts";
import { isPlainObject } from "./plain-value.ts";

/**
 * The fields of a document that its schema ignored. Schemas drop unknown fields; comparing input and output finds each
 * of them, without a second list to maintain.
 */
export function findUnsupportedFields(input: unknown, output: unknown): readonly FieldPath[] {
  const found: FieldPath[] = [];
  collect({ input, output, path: [], found });
  return found;
}

/** The consequence of an unsupported field. */
export function describeUnsupported(kind: string, path: FieldPath): string {
  const isOfRoute = kind === "VirtualService" && path[1] === "http";
  if (isOfRoute && !isHarmlessRouteField(formatFieldPath(path))) {
    return "is not supported: requests that match this route receive 503, since ignoring it would be wrong";
  }
  return "is not supported and has no effect; remove it, or do not rely on it";
}

/** `spec.http[0].redirect`; keys that are not identifiers are quoted. */
export function formatFieldPath(path: FieldPath): string {
  return path.reduce<string>((text, part) => {
    if (typeof part === "number") return `${text}[${part}]`;
    if (!/^[A-Za-z_][\w-]*$/.test(part)) return `${text}[${JSON.stringify(part)}]`;
    return text === "" ? part : `${text}.${part}`;
  }, "");
}

interface Comparison {
  readonly input: unknown;
  readonly output: unknown;
  readonly path: FieldPath;
  readonly found: FieldPath[];
}

function collect({ input, output, path, found }: Comparison): void {
  if (Array.isArray(input) && Array.isArray(output)) {
    for (const [index, item] of input.entries()) {
      collect({ input: item, output: output[index], path: [...path, index], found });
    }
    return;
  }
  if (!isPlainObject(input) || !isPlainObject(output)) return;
  for (const [field, child] of Object.entries(input)) {
    if (Object.hasOwn(output, field)) collect({ input: child, output: output[field], path: [...path, field], found });
    else found.push([...path, field]);
  }
}
