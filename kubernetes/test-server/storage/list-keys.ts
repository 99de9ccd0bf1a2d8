import type { KubernetesObject } from "../../kubernetes-api.ts";
import { type Fields, isFields } from "../../requests/api-response.ts";
import type { FieldPath, ListKeys } from "./field-sets.ts";
import type { ServedKind } from "./served-kinds.ts";

/** The lists of Kubernetes' own kinds whose items have keys, by the name of the field that holds the list. */
const BUILT_IN_KEYS: Readonly<Record<string, readonly string[]>> = {
  "f:webhooks": ["name"],
  "f:containers": ["name"],
  "f:initContainers": ["name"],
  "f:ephemeralContainers": ["name"],
  "f:env": ["name"],
  "f:volumes": ["name"],
  "f:volumeMounts": ["mountPath"],
  "f:imagePullSecrets": ["name"],
  "f:secrets": ["name"],
  "f:conditions": ["type"],
  "f:ownerReferences": ["uid"],
  "f:topologySpreadConstraints": ["topologyKey", "whenUnsatisfiable"],
};

/** Which lists of a kind have keys: known for Kubernetes' kinds, in the schema for custom ones. */
export function listKeysOf(kind: ServedKind, definition: KubernetesObject | undefined): ListKeys {
  if (definition === undefined) return (path) => builtInKeys(kind, path);
  const schema = schemaOf(definition, kind.version);
  return (path) => (path[0] === "f:metadata" ? builtInKeys(kind, path) : schemaKeys(schema, path));
}

function builtInKeys({ plural }: ServedKind, path: FieldPath): readonly string[] | undefined {
  const name = path.at(-1) ?? "";
  if (name !== "f:ports") return BUILT_IN_KEYS[name];
  if (plural === "services") return ["port", "protocol"];
  return path.some((step) => step.startsWith("k:")) ? ["containerPort", "protocol"] : undefined;
}

function schemaOf({ spec }: KubernetesObject, version: string): unknown {
  const versions = isFields(spec) && Array.isArray(spec["versions"]) ? spec["versions"].filter(isFields) : [];
  const schema = versions.find(({ name }) => name === version)?.["schema"];
  return isFields(schema) ? schema["openAPIV3Schema"] : undefined;
}

function schemaKeys(root: unknown, path: FieldPath): readonly string[] | undefined {
  let schema: unknown = root;
  for (const step of path) schema = step.startsWith("f:") ? propertyOf(schema, step.slice(2)) : field(schema, "items");
  const keys = field(schema, "x-kubernetes-list-map-keys");
  return field(schema, "x-kubernetes-list-type") === "map" && Array.isArray(keys) ? keys.map(String) : undefined;
}

function propertyOf(schema: unknown, name: string): unknown {
  return field(field(schema, "properties"), name) ?? field(schema, "additionalProperties");
}

function field(value: unknown, name: string): unknown {
  return isFields(value) ? (value satisfies Fields)[name] : undefined;
}
