import { readManifestFiles } from "../injector/manifest-files.ts";
import type { Configuration } from "../operator/configuration/configuration.ts";
import { configurationFromFiles } from "../operator/configuration/read-files.ts";
import type { OptionTable } from "./command-line/command-description.ts";
import { UsageError } from "./usage-error.ts";

/** The options of commands that report about a configuration. */
export const REPORT_OPTIONS = {
  filename: {
    type: "string",
    short: "f",
    multiple: true,
    value: "FILE",
    help: "YAML or JSON to report about; a folder means its .yaml, .yml and .json files, - means standard input",
  },
  namespace: { type: "string", short: "n", value: "NAME", help: "only resources of this namespace" },
  output: { type: "string", short: "o", choices: ["text", "json"], default: "text", help: "the form of the report" },
} as const satisfies OptionTable;

export interface ReportOptionValues {
  readonly filename?: readonly string[] | undefined;
}

/** The configuration that the options name. */
export async function loadConfiguration({ filename: paths = [] }: ReportOptionValues): Promise<Configuration> {
  if (paths.length === 0) throw new UsageError("-f is missing: give a file or folder, or - for standard input");
  return configurationFromFiles(await readManifestFiles(paths, process.stdin));
}

/** The value of an option with fixed choices; a UsageError names the others. */
export function parseChoice<Choice extends string>(text: string, choices: readonly Choice[], option: string): Choice {
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw new UsageError(`${option} must be ${choices.join(" or ")}, got "${text}"`);
  return found;
}

/** A value as JSON that people can read. */
export function formatJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
