/** Takes the schemas of the kinds that Entente uses out of Kubernetes' own OpenAPI document, for the tests of `install/`. */
import { apiVersionOf, KINDS } from "../kubernetes/kinds.ts";

export const SCHEMA_FOLDER = "install/api-schemas";

type Json = Readonly<Record<string, unknown>>;

/**
 * The schemas of one version as a JSON document, one definition a line. Descriptions and Kubernetes' extensions are
 * left out, which is 97 % of the document.
 * @param version a release, such as `1.29.15`
 * @param openApi `api/openapi-spec/swagger.json` of that release, or what its API server sends for `/openapi/v2`
 * @throws TypeError if the document has not all of Entente's kinds
 */
export function extractKubernetesSchemas(version: string, openApi: unknown): string {
  const definitions = recordOf(recordOf(openApi)["definitions"]);
  const kinds = Object.values(KINDS).map((kind): readonly [string, string] => {
    const name = Object.keys(definitions).find((one) => isKind(definitions[one], kind));
    const key = `${apiVersionOf(kind)}/${kind.kind}`;
    if (name === undefined) throw new TypeError(`Kubernetes ${version} has no definition of ${key}`);
    return [key, name];
  });
  const needed = collectReferences(
    definitions,
    kinds.map(([, name]) => name),
  );
  return [
    "{",
    `"source": ${JSON.stringify(`Kubernetes ${version}, api/openapi-spec/swagger.json; shortened by scripts/write-kubernetes-schemas.ts`)},`,
    `"license": "Apache-2.0, Copyright The Kubernetes Authors",`,
    `"kinds": ${formatLines(kinds)},`,
    `"definitions": ${formatLines(needed.toSorted().map((name) => [name, withoutText(definitions[name])]))}`,
    "}\n",
  ].join("\n");
}

function isKind(definition: unknown, { group, version, kind }: (typeof KINDS)[keyof typeof KINDS]): boolean {
  const named: unknown = recordOf(definition)["x-kubernetes-group-version-kind"];
  const has = (one: Json): boolean => one["group"] === group && one["version"] === version && one["kind"] === kind;
  return Array.isArray(named) && named.length === 1 && named.map(recordOf).some(has);
}

/** The names of these definitions and of all that they refer to. */
function collectReferences(definitions: Json, roots: readonly string[]): readonly string[] {
  const found = new Set(roots);
  // A set's iterator reaches what is added meanwhile.
  for (const name of found) {
    const text = JSON.stringify(definitions[name]);
    for (const [, target] of text.matchAll(/"\$ref":"#\/definitions\/([^"]+)"/g)) {
      if (target !== undefined) found.add(target);
    }
  }
  return [...found];
}

/** The schema without descriptions and extensions. A property may have the name of a keyword. */
function withoutText(schema: unknown): Json {
  const kept = Object.entries(recordOf(schema)).filter(
    ([keyword]) => keyword !== "description" && !keyword.startsWith("x-"),
  );
  return Object.fromEntries(kept.map(([keyword, value]) => [keyword, shorten(keyword, value)]));
}

function shorten(keyword: string, value: unknown): unknown {
  switch (keyword) {
    case "properties":
      return Object.fromEntries(Object.entries(recordOf(value)).map(([name, schema]) => [name, withoutText(schema)]));
    case "items":
    case "additionalProperties":
      return withoutText(value);
    default:
      return value;
  }
}

function formatLines(entries: readonly (readonly [string, unknown])[]): string {
  const lines = entries.map(([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`);
  return `{\n${lines.join(",\n")}\n}`;
}

function recordOf(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
}
