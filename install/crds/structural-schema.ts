import { isPlainObject } from "../../mesh/resources/parsing/plain-value.ts";

/** The part of Kubernetes' structural schemas that the mesh's resources need. */
export interface StructuralSchema {
  readonly type?: "object" | "array" | "string" | "integer" | "number" | "boolean";
  readonly description?: string;
  readonly format?: string;
  readonly nullable?: true;
  readonly enum?: readonly (string | number)[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly items?: StructuralSchema;
  readonly properties?: Readonly<Record<string, StructuralSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: StructuralSchema;
  readonly "x-kubernetes-preserve-unknown-fields"?: true;
  readonly "x-kubernetes-int-or-string"?: true;
  readonly "x-kubernetes-list-type"?: "map";
  readonly "x-kubernetes-list-map-keys"?: readonly string[];
}

/**
 * Converts a JSON schema that zod made to Kubernetes' structural subset. It is never stricter than the zod schema, and
 * where Kubernetes would change what a user wrote, it is more lenient:
 * - every object keeps the fields that it does not name. A pruned condition of a selector would widen a policy;
 * - there are no defaults: they would be written into the user's objects;
 * - patterns and lengths are left to the validating webhook, which explains them in the words of `entente analyze`.
 * A null is dropped by the API server, as the parser does, except in `nullable` properties.
 */
export function convertToStructural(schema: unknown, nullable: ReadonlySet<string> = new Set()): StructuralSchema {
  if (!isPlainObject(schema)) throw new TypeError(`not a JSON schema: ${JSON.stringify(schema)}`);
  const unknown = Object.keys(schema).filter((keyword) => !KEYWORDS.has(keyword));
  if (unknown.length > 0) throw new TypeError(`no structural form of ${unknown.join(", ")}: ${JSON.stringify(schema)}`);
  if (schema["anyOf"] !== undefined) return convertUnion(schema["anyOf"]);
  switch (schema["type"]) {
    case "object":
      return convertObject(schema, nullable);
    case "array": {
      const { minItems } = schema;
      const items = convertToStructural(schema["items"], nullable);
      return { type: "array", ...(typeof minItems === "number" && { minItems }), items };
    }
    case "string":
    case "integer":
    case "number":
    case "boolean":
      return { type: schema["type"], ...enumOf(schema), ...boundsOf(schema) };
    default:
      throw new TypeError(`no structural form of the type ${JSON.stringify(schema["type"])}`);
  }
}

const KEYWORDS: ReadonlySet<string> = new Set([
  ...["$schema", "type", "properties", "required", "additionalProperties", "propertyNames", "items", "anyOf"],
  ...[
    "enum",
    "const",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "default",
  ],
]);

type JsonSchema = Readonly<Record<string, unknown>>;

function convertObject(schema: JsonSchema, nullable: ReadonlySet<string>): StructuralSchema {
  const { properties, additionalProperties, required } = schema;
  if (schema["propertyNames"] !== undefined) {
    return { type: "object", additionalProperties: convertToStructural(additionalProperties, nullable) };
  }
  const named = Object.entries(isPlainObject(properties) ? properties : {}).map(([name, property]) => {
    const converted = convertToStructural(property, nullable);
    return [name, nullable.has(name) ? { ...converted, nullable: true as const } : converted] as const;
  });
  return {
    type: "object",
    ...(Array.isArray(required) && { required }),
    ...(named.length > 0 && { properties: Object.fromEntries(named) }),
    "x-kubernetes-preserve-unknown-fields": true,
  };
}

/** The only union in Kubernetes' schemas. */
function convertUnion(members: unknown): StructuralSchema {
  const types = Array.isArray(members) ? members.map((member) => (isPlainObject(member) ? member["type"] : "")) : [];
  if (types.toSorted().join() !== "integer,string") {
    throw new TypeError(`no structural form of the union ${JSON.stringify(members)}`);
  }
  return { "x-kubernetes-int-or-string": true };
}

function enumOf(schema: JsonSchema): Pick<StructuralSchema, "enum"> {
  const values = schema["const"] === undefined ? schema["enum"] : [schema["const"]];
  return Array.isArray(values) ? { enum: values } : {};
}

/** zod bounds every integer by the numbers that JavaScript can represent; that is no rule of the resource. */
function boundsOf({ minimum, maximum }: JsonSchema): Pick<StructuralSchema, "minimum" | "maximum"> {
  return {
    ...(typeof minimum === "number" && minimum > Number.MIN_SAFE_INTEGER && { minimum }),
    ...(typeof maximum === "number" && maximum < Number.MAX_SAFE_INTEGER && { maximum }),
  };
}
