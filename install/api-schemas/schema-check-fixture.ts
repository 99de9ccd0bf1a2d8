/**
 * For tests: checks objects against the schemas that Kubernetes publishes of its API, as strictly as
 * `kubectl apply --validate=strict`: an unknown field, a missing one and a value of another type are faults. The JSON
 * files are extracts of those schemas; `scripts/write-kubernetes-schemas.ts` writes them.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

type JsonSchema = z.core.JSONSchema.BaseSchema;

interface Extract {
  /** `apps/v1/Deployment` to the name of its definition. */
  readonly kinds: Readonly<Record<string, string>>;
  readonly definitions: Readonly<Record<string, JsonSchema>>;
}

interface AnyObject {
  readonly apiVersion: string;
  readonly kind: string;
}

/** The oldest and the newest supported version. */
export const SCHEMA_VERSIONS = ["1.29", "1.36"] as const;

/** What JSON schema cannot express in one `type`, by the end of the definition's name. The API server takes both. */
const TEXT_OR_NUMBER: Readonly<Record<string, JsonSchema>> = {
  "intstr.IntOrString": { anyOf: [{ type: "string" }, { type: "integer" }] },
  "resource.Quantity": { anyOf: [{ type: "string" }, { type: "number" }] },
};

/** Returns a function that lists the faults of an object, each with its path; none if that version accepts it. */
export function createSchemaCheck(version: (typeof SCHEMA_VERSIONS)[number]): (object: AnyObject) => readonly string[] {
  const path = join(import.meta.dirname, `kubernetes-${version}.json`);
  const { kinds, definitions: published }: Extract = JSON.parse(readFileSync(path, "utf8"));
  const definitions = Object.fromEntries(
    Object.entries(published).map(([name, schema]) => [name, strictSchema(name, schema)]),
  );
  const parsers = new Map<string, z.ZodType>();
  return (object) => {
    const kind = `${object.apiVersion}/${object.kind}`;
    const name = kinds[kind];
    if (name === undefined) return [`${kind} is not a kind of Kubernetes ${version}`];
    const $ref = `#/definitions/${name}`;
    const parser = parsers.get(kind) ?? z.fromJSONSchema({ $ref, definitions }, { defaultTarget: "draft-7" });
    parsers.set(kind, parser);
    const { error } = parser.safeParse(withoutNulls(object));
    return (error?.issues ?? []).map((issue) => `${[object.kind, ...issue.path].join(".")}: ${issue.message}`);
  };
}

function strictSchema(name: string, schema: JsonSchema): JsonSchema {
  const either = TEXT_OR_NUMBER[name.split(".").slice(-2).join(".")];
  if (either !== undefined) return either;
  return schema.properties === undefined ? schema : { ...schema, additionalProperties: false };
}

/** The API server reads a field with null as absent. */
function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).filter(([, child]) => child !== null && child !== undefined);
  return Object.fromEntries(entries.map(([name, child]) => [name, withoutNulls(child)]));
}
