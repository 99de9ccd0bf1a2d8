/**
 * For tests: checks an object against Kubernetes' own OpenAPI, from which the models of @kubernetes/client-node are
 * generated. A field that the API does not have, or a value of another type, is a fault. What is required is checked by
 * the compiler, with the same models.
 */
import * as models from "@kubernetes/client-node";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";

interface Attribute {
  readonly baseName: string;
  readonly type: string;
}

/** The faults of an object, each with its path; empty if the API server's schema accepts it. */
export function findModelFaults(object: KubernetesObject): readonly string[] {
  const version = object.apiVersion.split("/").at(-1) ?? "";
  const model = `${version.charAt(0).toUpperCase()}${version.slice(1)}${object.kind}`;
  return check(object, model, object.kind);
}

function check(value: unknown, type: string, path: string): readonly string[] {
  const item = /^Array<(.+)>$/.exec(type)?.[1];
  if (item !== undefined) {
    if (!Array.isArray(value)) return [`${path} must be a list`];
    return value.flatMap((child, index) => check(child, item, `${path}[${index}]`));
  }
  const entry = /^\{ \[key: string\]: (.+); \}$/.exec(type)?.[1];
  if (entry !== undefined) {
    if (!isRecord(value)) return [`${path} must be a mapping`];
    return Object.entries(value).flatMap(([key, child]) => check(child, entry, `${path}.${key}`));
  }
  switch (type) {
    case "any":
      return [];
    case "string":
    case "number":
    case "boolean":
      return typeof value === type ? [] : [`${path} must be a ${type}`];
    case "IntOrString":
      return typeof value === "string" || Number.isInteger(value) ? [] : [`${path} must be a number or text`];
    case "Date":
      return typeof value === "string" && !Number.isNaN(Date.parse(value)) ? [] : [`${path} must be a time`];
    default:
      return checkModel(value, type, path);
  }
}

function checkModel(value: unknown, type: string, path: string): readonly string[] {
  const attributes = attributesOf(type);
  if (attributes === undefined) return [`${path}: the API has no type ${type}`];
  if (!isRecord(value)) return [`${path} must be a mapping`];
  return Object.entries(value).flatMap(([name, child]) => {
    const attribute = attributes.find(({ baseName }) => baseName === name);
    if (attribute === undefined) return [`${path}.${name} does not exist in ${type}`];
    return check(child, attribute.type, `${path}.${name}`);
  });
}

function attributesOf(type: string): readonly Attribute[] | undefined {
  const model: unknown = Reflect.get(models, type);
  if (typeof model !== "function" || !("getAttributeTypeMap" in model)) return undefined;
  const { getAttributeTypeMap } = model;
  return typeof getAttributeTypeMap === "function" ? getAttributeTypeMap.call(model) : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
