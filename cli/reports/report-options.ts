import { readManifestFiles } from "../../injector/manifests/manifest-files.ts";
import type { Configuration } from "../../operator/configuration/configuration.ts";
import { configurationFromCluster } from "../../operator/configuration/read-cluster.ts";
import { configurationFromFiles } from "../../operator/configuration/read-files.ts";
import type { PodPages } from "../../operator/pod-pages.ts";
import { MESH_OPTIONS, type MeshOptionValues, withMeshCluster } from "../cluster/mesh-cluster.ts";
import type { CommandContext } from "../command.ts";
import type { OptionTable } from "../command-line/command-description.ts";
import { UsageError } from "../usage-error.ts";

/** The form of a report. */
export const OUTPUT_OPTION = {
  output: { type: "string", short: "o", choices: ["text", "json"], default: "text", help: "the form of the report" },
} as const satisfies OptionTable;

/** The options of commands that report about a configuration, from a cluster or from files. */
export const REPORT_OPTIONS = {
  filename: {
    type: "string",
    short: "f",
    multiple: true,
    value: "FILE",
    help:
      "report about YAML or JSON instead of a cluster; a folder means its .yaml, .yml and .json files, - means " +
      "standard input",
  },
  namespace: {
    type: "string",
    short: "n",
    value: "NAME",
    help: "only this namespace (files: all; a cluster: the namespace of the kubeconfig's context)",
  },
  "all-namespaces": { type: "boolean", short: "A", help: "every namespace" },
  ...OUTPUT_OPTION,
  ...MESH_OPTIONS,
} as const satisfies OptionTable;

export interface ReportOptionValues extends MeshOptionValues {
  readonly filename?: readonly string[] | undefined;
  readonly namespace?: string | undefined;
  readonly "all-namespaces"?: boolean | undefined;
}

/** What a report is about. */
export interface ReportSubject {
  readonly configuration: Configuration;
  /** Undefined: every namespace. */
  readonly namespace: string | undefined;
}

/** Reads the files or the cluster that the options name. */
export function loadReportSubject(values: ReportOptionValues, context: CommandContext): Promise<ReportSubject> {
  return withReportSubject(values, context, async ({ configuration, namespace }) => ({ configuration, namespace }));
}

/** What a report is about, while the cluster can be asked. */
export interface LiveReportSubject extends ReportSubject {
  /** `undefined`: the report is about files. */
  readonly pages: PodPages | undefined;
}

/** Reads the files or the cluster that the options name, and keeps the connection for as long as `use` runs. */
export async function withReportSubject<Result>(
  values: ReportOptionValues,
  context: CommandContext,
  use: (subject: LiveReportSubject) => Promise<Result>,
): Promise<Result> {
  const { filename: paths = [], namespace, "all-namespaces": isForAll = false } = values;
  if (isForAll && namespace !== undefined) throw new UsageError("give either --namespace or --all-namespaces");
  if (paths.length > 0) {
    const configuration = configurationFromFiles(await readManifestFiles(paths, process.stdin));
    return await use({ configuration, namespace, pages: undefined });
  }
  return await withMeshCluster(values, context, async ({ api, pods, rootNamespace, namespace: current }) => {
    const configuration = await configurationFromCluster({ api, rootNamespace, signal: context.signal });
    return await use({ configuration, namespace: isForAll ? undefined : (namespace ?? current), pages: pods });
  });
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
