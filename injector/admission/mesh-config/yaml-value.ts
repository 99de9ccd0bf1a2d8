import type { z } from "zod";
import { parseKubernetesYaml } from "../../../mesh/resources/parsing/kubernetes-yaml.ts";
import { faultFromIssue } from "../../../mesh/resources/parsing/schema-issue.ts";

/** Far more than a real configuration has. A pod's creator chooses the text of an annotation. */
const MAX_CHARS = 65_536;
const MAX_ALIASES = 100;

export type YamlReading<Value> =
  | { readonly kind: "read"; readonly value: Value }
  /** `message` names the first invalid field. */
  | { readonly kind: "invalid"; readonly message: string };

/** Reads a text with one YAML document, and checks it with a schema. An empty text is an empty mapping. */
export function readYaml<Schema extends z.ZodType>(text: string, schema: Schema): YamlReading<z.output<Schema>> {
  if (text.length > MAX_CHARS) return invalid(`it has ${text.length} characters; the limit is ${MAX_CHARS}`);
  const [document, ...others] = parseKubernetesYaml(text);
  const [error] = document?.errors ?? [];
  if (error !== undefined) return invalid(`it is not YAML: ${error.message.split("\n")[0]}`);
  if (others.length > 0) return invalid("it contains more than one YAML document");
  try {
    return readValue(document?.toJS({ maxAliasCount: MAX_ALIASES }), schema);
  } catch (caught) {
    return invalid(`it is not YAML: ${caught instanceof Error ? caught.message : String(caught)}`);
  }
}

/** Checks a value with a schema; nothing at all is an empty mapping. */
export function readValue<Schema extends z.ZodType>(value: unknown, schema: Schema): YamlReading<z.output<Schema>> {
  const result = schema.safeParse(value ?? {}, { reportInput: true });
  if (result.success) return { kind: "read", value: result.data };
  const [issue] = result.error.issues;
  const { path, message } = issue === undefined ? { path: [], message: "is not valid" } : faultFromIssue(issue);
  return invalid(`${path.length === 0 ? "it" : path.join(".")} ${message}`);
}

function invalid(message: string): { readonly kind: "invalid"; readonly message: string } {
  return { kind: "invalid", message };
}
