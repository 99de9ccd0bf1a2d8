import { parseArgs } from "node:util";
import { readMeshPods } from "../../operator/versions/component-pods.ts";
import { createVersionReport, formatVersions } from "../../operator/versions/version-report.ts";
import { MESH_OPTIONS, withMeshCluster } from "../cluster/mesh-cluster.ts";
import type { Command } from "../command.ts";
import type { CommandDescription, OptionTable } from "../command-line/command-description.ts";
import { VERSION } from "../version.ts";
import { formatJson, OUTPUT_OPTION, parseChoice } from "./report-options.ts";

const OPTIONS = {
  client: { type: "boolean", help: "only this program's version, without asking a cluster" },
  ...OUTPUT_OPTION,
  ...MESH_OPTIONS,
} as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: ["[OPTION ...]"],
  text: `
Shows the version of this program, and how many pods of control plane, injector and data plane run which version.`,
  options: OPTIONS,
};

/** The versions of this program and of a mesh. */
export const versionCommand: Command = {
  name: "version",
  summary: "show the versions of this program and of the mesh",
  description: DESCRIPTION,
  run: async (args, context) => {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    const output = parseChoice(values.output, OUTPUT_OPTION.output.choices, "--output");
    if (values.client === true) {
      context.stdout(output === "json" ? formatJson({ client: VERSION }) : `client: ${VERSION}\n`);
      return 0;
    }
    const report = await withMeshCluster(values, context, async ({ api, rootNamespace }) =>
      createVersionReport(VERSION, await readMeshPods({ api, rootNamespace, signal: context.signal })),
    );
    context.stdout(output === "json" ? formatJson(report) : formatVersions(report));
    return 0;
  },
};
