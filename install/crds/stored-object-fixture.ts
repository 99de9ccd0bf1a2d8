/** For tests: what an API server does with a custom resource by its structural schema. */
import { isPlainObject } from "../../mesh/resources/parsing/plain-value.ts";
import type { StructuralSchema } from "./structural-schema.ts";

export interface StoredValue {
  /** After pruning of unknown fields, and of nulls that the schema does not allow. */
  readonly value: unknown;
  /** Why the API server refuses the object; empty if it does not. */
  readonly faults: readonly string[];
}

export function storeValue(value: unknown, schema: StructuralSchema, path = ""): StoredValue {
  if (value === null) {
    return { value, faults: schema.nullable === true ? [] : [`${path} must not be null`] };
  }
  if (schema["x-kubernetes-int-or-string"] === true) {
    return { value, faults: ["number", "string"].includes(typeof value) ? [] : [`${path} must be a number or text`] };
  }
  switch (schema.type) {
    case "object":
      return isPlainObject(value) ? storeObject(value, schema, path) : fault(value, `${path} must be an object`);
    case "array":
      return Array.isArray(value) ? storeList(value, schema, path) : fault(value, `${path} must be a list`);
    case undefined:
      return { value, faults: [] };
    default:
      return storeScalar(value, schema, path);
  }
}

function storeObject(value: Readonly<Record<string, unknown>>, schema: StructuralSchema, path: string): StoredValue {
  const stored: Record<string, unknown> = {};
  const faults = (schema.required ?? [])
    .filter((name) => !Object.hasOwn(value, name))
    .map((name) => `${path}.${name} is required`);
  for (const [name, child] of Object.entries(value)) {
    const known = schema.properties?.[name] ?? schema.additionalProperties;
    if (known === undefined) {
      if (schema["x-kubernetes-preserve-unknown-fields"] === true) stored[name] = child;
      continue;
    }
    if (child === null && known.nullable !== true) continue;
    const result = storeValue(child, known, `${path}.${name}`);
    stored[name] = result.value;
    faults.push(...result.faults);
  }
  return { value: stored, faults };
}

function storeList(value: readonly unknown[], schema: StructuralSchema, path: string): StoredValue {
  const items = value.map((item, index) => storeValue(item, schema.items ?? {}, `${path}[${index}]`));
  const isShort = value.length < (schema.minItems ?? 0);
  return {
    value: items.map((item) => item.value),
    faults: [...(isShort ? [`${path} has too few items`] : []), ...items.flatMap((item) => item.faults)],
  };
}

function storeScalar(value: unknown, schema: StructuralSchema, path: string): StoredValue {
  const type = schema.type === "integer" ? "number" : schema.type;
  if (typeof value !== type || (schema.type === "integer" && !Number.isInteger(value))) {
    return fault(value, `${path} must be of type ${schema.type}`);
  }
  const isListed = schema.enum === undefined || schema.enum.some((member) => member === value);
  const number = typeof value === "number" ? value : undefined;
  const isWithin =
    number === undefined || (number >= (schema.minimum ?? number) && number <= (schema.maximum ?? number));
  return isListed && isWithin ? { value, faults: [] } : fault(value, `${path} has an unsupported value`);
}

function fault(value: unknown, message: string): StoredValue {
  return { value, faults: [message] };
}

/** Where a schema breaks the rules of structural schemas, without which the API server refuses the definition. */
export function findStructuralFaults(schema: StructuralSchema, path = "$"): readonly string[] {
  const { properties = {}, additionalProperties, items } = schema;
  const isOpen =
    schema["x-kubernetes-int-or-string"] === true || schema["x-kubernetes-preserve-unknown-fields"] === true;
  const own = [
    ...(schema.type === undefined && !isOpen ? [`${path} has no type`] : []),
    ...(schema.properties !== undefined && additionalProperties !== undefined
      ? [`${path} has both kinds of fields`]
      : []),
    ...(schema.type === "array" && items === undefined ? [`${path} has no items`] : []),
    ...("default" in schema ? [`${path} has a default`] : []),
  ];
  return [
    ...own,
    ...Object.entries(properties).flatMap(([name, child]) => findStructuralFaults(child, `${path}.${name}`)),
    ...(additionalProperties ? findStructuralFaults(additionalProperties, `${path}.*`) : []),
    ...(items ? findStructuralFaults(items, `${path}[]`) : []),
  ];
}
