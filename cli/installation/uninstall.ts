import { parseArgs } from "node:util";
import { uninstallMesh } from "../../install/cluster/uninstall-mesh.ts";
import { parseInstallValues } from "../../install/values/parse-values.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { CLUSTER_OPTIONS } from "../cluster/cluster-options.ts";
import { withMeshCluster } from "../cluster/mesh-cluster.ts";
import type { Command } from "../command.ts";
import type { CommandDescription, OptionTable } from "../command-line/command-description.ts";
import { parseDuration } from "../option-values.ts";
import { installProgress } from "./install-progress.ts";

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
  timeout: { type: "string", default: "2m", value: "TIME", help: "how long to wait for the pods to end" },
  ...CLUSTER_OPTIONS,
} as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: ["[OPTION ...]"],
  text: `
Removes what entente install or kubectl apply -k installed, of one revision, and what its parts wrote into the cluster. It
asks nothing. Without --purge the authority's key and the resource definitions stay, and it says so. The Secret cacerts,
which only an operator makes, always stays. Pods keep their sidecars until they are restarted.`,
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
    const mode = options.purge === true ? "purge" : "keep";
    await withMeshCluster({ ...options, "istio-namespace": namespace }, context, async ({ api }) => {
      const deps = { api, clock: systemClock, ...installProgress(context) };
      await uninstallMesh({ namespace, revision, mode, waitMs }, deps);
    });
    return 0;
  },
};
