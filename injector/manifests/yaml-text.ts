import { formatKubernetesYaml } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import { lineBreakOf } from "./yaml-layout.ts";

/** A non-empty mapping or list in block style. All lines but the first are indented, and there is no final newline. */
export function formatBlock(value: unknown, indent: number, text: string): string {
  const lines = formatKubernetesYaml(value).replace(/\n$/, "").split("\n");
  const pad = " ".repeat(indent);
  return lines.map((line, i) => (i === 0 || line === "" ? line : `${pad}${line}`)).join(lineBreakOf(text));
}

/**
 * JSON on one line, which every YAML parser accepts. Characters that YAML 1.1 treats as line breaks, or does not allow,
 * are escaped.
 */
export function formatFlow(value: unknown): string {
  return JSON.stringify(value).replaceAll(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
