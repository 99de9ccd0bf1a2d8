import { z } from "zod";
import { parseCaCertificates } from "../../control-plane/settings/ca-certificates.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { parseKubernetesYaml } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import { isPlainObject } from "../../mesh/resources/parsing/plain-value.ts";
import { formatFieldPath } from "../../mesh/resources/parsing/unsupported-fields.ts";
import { InstallError } from "../install-error.ts";
import { type InstallValues, installValuesSchema } from "./install-values.ts";
import { findNearestName } from "./nearest-name.ts";
import { type PlainTree, parseSetExpression } from "./set-expression.ts";

export interface ValuesInput {
  /** Files of values, in order: later ones win. */
  readonly files?: readonly ValuesFile[];
  /** `--set` expressions, in order. They win over files. */
  readonly expressions?: readonly string[];
}

export interface ValuesFile {
  readonly name: string;
  readonly text: string;
}

/**
 * The values from files and expressions, with defaults for the rest.
 * @throws InstallError `bad_value`, which names every invalid value and, for an unknown one, the nearest that exists
 */
export function parseInstallValues({ files = [], expressions = [] }: ValuesInput = {}): InstallValues {
  const trees = [...files.map(readFile), ...expressions.map(parseSetExpression)];
  const parsed = installValuesSchema.safeParse(trees.reduce(mergeTrees, {}), { reportInput: true });
  if (parsed.success) return checkCaCertificates(parsed.data);
  throw new InstallError("bad_value", parsed.error.issues.flatMap(describeIssue).join("; "));
}

function checkCaCertificates(values: InstallValues): InstallValues {
  const { trustDomain, trustDomainAliases, caCertificates } = values;
  try {
    parseCaCertificates(caCertificates, [trustDomain, ...trustDomainAliases].map(parseTrustDomain));
    return values;
  } catch (cause) {
    throw new InstallError("bad_value", cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function readFile({ name, text }: ValuesFile): PlainTree {
  const [document, ...more] = parseKubernetesYaml(text);
  const fault = document?.errors[0];
  if (fault !== undefined) throw new InstallError("bad_value", `${name} is not YAML: ${fault.message}`);
  const value: unknown = document?.toJS() ?? {};
  if (more.length > 0 || !isPlainObject(value)) {
    throw new InstallError("bad_value", `${name} must be one YAML mapping of values`);
  }
  return value;
}

/** Mappings are merged, everything else is replaced; `null` means the default. */
function mergeTrees(base: PlainTree, over: PlainTree): PlainTree {
  const merged: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(over)) {
    const earlier = merged[name];
    if (value === null) delete merged[name];
    else merged[name] = isTree(value) ? mergeTrees(isTree(earlier) ? earlier : {}, value) : value;
  }
  return merged;
}

function isTree(value: unknown): value is PlainTree {
  return isPlainObject(value);
}

function describeIssue(issue: z.core.$ZodIssue): readonly string[] {
  const path = issue.path.filter((part) => typeof part !== "symbol");
  if (issue.code !== "unrecognized_keys") {
    const given = issue.input === undefined ? "" : `, got ${JSON.stringify(issue.input)}`;
    return [`${formatFieldPath(path)}: ${issue.message}${given}`];
  }
  const known = knownNames(path);
  return issue.keys.map((key) => {
    const nearest = findNearestName(key, known);
    const hint = nearest === undefined ? `one of ${known.join(", ")}` : formatFieldPath([...path, nearest]);
    return `there is no value ${formatFieldPath([...path, key])}; did you mean ${hint}?`;
  });
}

/** The names of the values at a path, from the schema. */
function knownNames(path: readonly (string | number)[]): readonly string[] {
  let schema: unknown = z.toJSONSchema(installValuesSchema, { io: "input", unrepresentable: "any" });
  for (const part of path) schema = childOf(childOf(schema, "properties"), String(part));
  const properties = childOf(schema, "properties");
  return isTree(properties) ? Object.keys(properties) : [];
}

function childOf(value: unknown, name: string): unknown {
  return isTree(value) ? value[name] : undefined;
}
