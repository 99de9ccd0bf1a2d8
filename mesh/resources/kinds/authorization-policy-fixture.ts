/** AuthorizationPolicies in flow style, for tests only. */
import { formatConfigProblem } from "../config-problem.ts";
import { parseResources } from "../parsing/parse-resources.ts";

/** `ns1/x`; the specification is on line 4. */
export function policy(spec: string, annotations = "{}"): string {
  const metadata = `{name: x, namespace: ns1, annotations: ${annotations}}`;
  return `apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: ${metadata}\nspec: ${spec}`;
}

/** With one source; `rest` follows the rules. */
export function from(source: string, rest = ""): string {
  return policy(`{rules: [{from: [{source: ${source}}]}]${rest}}`);
}

export function to(operation: string): string {
  return policy(`{rules: [{to: [{operation: ${operation}}]}]}`);
}

export function when(condition: string, rest = ""): string {
  return policy(`{rules: [{when: [${condition}]}]${rest}}`);
}

/** A list that repeats an item. */
export function many(count: number, item: string): string {
  return `[${new Array<string>(count).fill(item).join(", ")}]`;
}

/** What is reported about a text, a line each. */
export function problemsOf(text: string): readonly string[] {
  return parseResources({ text, file: "a.yaml" }).problems.map(formatConfigProblem);
}
