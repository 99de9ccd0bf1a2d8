import { describe, expect, it } from "vitest";
import { KINDS } from "../kubernetes/kinds.ts";
import { extractKubernetesSchemas } from "./kubernetes-schemas.ts";

type Json = Readonly<Record<string, unknown>>;

/** An OpenAPI document with all of Entente's kinds, and these definitions. */
function openApi(more: Json): { readonly definitions: Json } {
  const kinds = Object.values(KINDS).map(({ group, version, kind }) => [
    `io.${group}.${version}.${kind}`,
    { type: "object", "x-kubernetes-group-version-kind": [{ group, version, kind }] },
  ]);
  return { definitions: { ...Object.fromEntries(kinds), ...more } };
}

function extract(more: Json): { readonly kinds: Json; readonly definitions: Json } {
  return JSON.parse(extractKubernetesSchemas("1.99.1", openApi(more)));
}

const POD = "io..v1.Pod";
const OF_POD = { "x-kubernetes-group-version-kind": [{ group: "", version: "v1", kind: "Pod" }] };

describe("the extract of Kubernetes' schemas", () => {
  it("has what the kinds refer to, directly or not, and nothing else", () => {
    const { kinds, definitions } = extract({
      [POD]: { ...OF_POD, properties: { spec: { $ref: "#/definitions/spec" } } },
      spec: { properties: { containers: { type: "array", items: { $ref: "#/definitions/container" } } } },
      container: { properties: { spec: { $ref: "#/definitions/spec" } } },
      other: { type: "object" },
    });
    expect(kinds["v1/Pod"]).toBe(POD);
    expect(definitions).toMatchObject({ [POD]: {}, spec: {}, container: {} });
    expect(definitions).not.toHaveProperty("other");
  });

  it("has no descriptions, but the properties that are called like that", () => {
    const schema = { description: "a text", type: "string", "x-kubernetes-list-type": "atomic" };
    const { definitions } = extract({
      [POD]: {
        ...OF_POD,
        description: "a pod",
        required: ["description"],
        properties: { description: schema, "x-a": schema, list: { type: "array", items: schema } },
      },
    });
    const shortened = { type: "string" };
    expect(definitions[POD]).toEqual({
      required: ["description"],
      properties: { description: shortened, "x-a": shortened, list: { type: "array", items: shortened } },
    });
  });

  it("is refused for a document without one of the kinds", () => {
    const document = openApi({ [POD]: { type: "object" } });
    expect(() => extractKubernetesSchemas("1.99.1", document)).toThrow("Kubernetes 1.99.1 has no definition of v1/Pod");
  });
});
