import { parseArgs } from "node:util";
import { createRemovalReport, formatRemovalStep, type RemovalStep } from "../../install/cluster/removal-report.ts";
import { uninstallMesh } from "../../install/cluster/uninstall-mesh.ts";
import { parseInstallValues } from "../../install/values/parse-values.ts";
import { formatKubernetesYaml } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { CLUSTER_OPTIONS } from "../cluster/cluster-options.ts";
import { withMeshCluster } from "../cluster/mesh-cluster.ts";
import type { Command } from "../command.ts";
import type { CommandDescription, OptionTable } from "../command-line/command-description.ts";
import { parseDuration } from "../option-values.ts";
import { formatJson, parseChoice } from "../reports/report-options.ts";
import { installProgress } from "./install-progress.ts";

const OUTPUTS = ["text", "yaml", "json"] as const;
const OPTIONS = {
  namespace: {
    type: "string",
    short: "n",
    default: "istio-system",
    value: "NAME",
    help: "the installation's namespace",
  },
  revision: { type: "string", default: "default", value: "NAME", help: "the installation's revision" },
  purge: {
    type: "boolean",
    help: "also remove the authority's key, the resource definitions with every policy and route, and the namespace",
  },
  "dry-run": { type: "boolean", help: "let the API server check every deletion, and delete nothing" },
  output: {
    type: "string",
    short: "o",
    choices: OUTPUTS,
    default: "text",
    help: "text prints each step at once; yaml and json print at the end what was deleted, what is kept, and why",
  },
  timeout: { type: "string", default: "2m", value: "TIME", help: "how long to wait for the pods to end" },
  ...CLUSTER_OPTIONS,
} as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: ["[OPTION ...]"],
  text: `
Removes what entente install or kubectl apply -k installed, of one revision, and what its parts wrote into the cluster. It
asks nothing. Without --purge the authority's key and the resource definitions stay, and it says so. The Secret cacerts,
which only an operator makes, always stays. Pods keep their sidecars until they are restarted. --dry-run shows what would be
deleted and what is kept.`,
  options: OPTIONS,
};

/** Removes an installation. */
export const uninstallCommand: Command = {
  name: "uninstall",
  summary: "remove the mesh from a cluster",
  description: DESCRIPTION,
  run: async (args, context) => {
    const { values: options } = parseArgs({ args: [...args], options: OPTIONS });
    const expressions = [`namespace=${options.namespace}`, `revision=${options.revision}`];
    const { namespace, revision } = parseInstallValues({ expressions });
    const waitMs = parseDuration(options.timeout, "--timeout");
    const output = parseChoice(options.output, OUTPUTS, "--output");
    const mode = options.purge === true ? "purge" : "keep";
    const effect = options["dry-run"] === true ? "dry-run" : "remove";
    const steps: RemovalStep[] = [];
    const report = (step: RemovalStep): void => {
      steps.push(step);
      if (output === "text") context.stdout(`${formatRemovalStep(step, effect)}\n`);
    };
    await withMeshCluster({ ...options, "istio-namespace": namespace }, context, async ({ api }) => {
      const deps = { api, clock: systemClock, ...installProgress(context), report };
      await uninstallMesh({ namespace, revision, mode, effect, waitMs }, deps);
    });
    if (output === "text") return 0;
    const result = createRemovalReport(steps, effect);
    context.stdout(output === "json" ? formatJson(result) : formatKubernetesYaml(result));
    return 0;
  },
};
