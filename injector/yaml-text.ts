import { formatKubernetesYaml } from "../mesh/resources/parsing/kubernetes-yaml.ts";
import { lineBreakOf } from "./yaml-layout.ts";

/** A filled mapping or list in block style: the lines after the first one are indented; there is no line end at the end. */
export function formatBlock(value: unknown, indent: number, text: string): string {
  const lines = formatKubernetesYaml(value).replace(/\n$/, "").split("\n");
  const pad = " ".repeat(indent);
  return lines.map((line, i) => (i === 0 || line === "" ? line : `${pad}${line}`)).join(lineBreakOf(text));
}

/**
 * JSON in one line, as every reader of YAML reads it. What YAML 1.1 takes for a line break, and what it does not allow in a
 * text, is escaped.
 */
export function formatFlow(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
