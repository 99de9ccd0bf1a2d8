import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { installMesh } from "../../install/cluster/install-mesh.ts";
import { renderInstallation } from "../../install/render-installation.ts";
import type { InstallValues } from "../../install/values/install-values.ts";
import { parseInstallValues } from "../../install/values/parse-values.ts";
import { formatManifests } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { CLUSTER_OPTIONS } from "../cluster/cluster-options.ts";
import { withMeshCluster } from "../cluster/mesh-cluster.ts";
import type { Command } from "../command.ts";
import type { CommandDescription, OptionTable } from "../command-line/command-description.ts";
import { parseDuration } from "../option-values.ts";
import { UsageError } from "../usage-error.ts";
import { installProgress } from "./install-progress.ts";

const OPTIONS = {
  values: { type: "string", short: "f", multiple: true, value: "FILE", help: "YAML with values; later files win" },
  set: {
    type: "string",
    multiple: true,
    value: "NAME=VALUE",
    help: "one value, such as gateway.replicas=2; it wins over files",
  },
  namespace: { type: "string", short: "n", value: "NAME", help: "the same as --set namespace=NAME (istio-system)" },
  revision: { type: "string", value: "NAME", help: "the same as --set revision=NAME (default)" },
  output: {
    type: "string",
    short: "o",
    choices: ["yaml", "json"],
    help: "print the objects and leave the cluster alone",
  },
  "dry-run": { type: "boolean", help: "let the API server check everything and store nothing" },
  wait: { type: "string", choices: ["true", "false"], default: "true", help: "wait until everything runs" },
  timeout: { type: "string", default: "5m", value: "TIME", help: "how long to wait" },
  ...CLUSTER_OPTIONS,
} as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: ["[OPTION ...]"],
  text: `
Installs the mesh into a cluster, or upgrades it: control plane, injector, ingress gateway, resource definitions and access
rights. Running it again changes nothing; after an interruption, run it again. Istio's own resource definitions and a
namespace that is already there are left as they are. kubectl apply -k examples/kubernetes installs the same objects.`,
  options: OPTIONS,
  notes: `
Values, with their defaults: namespace, revision, image, imagePullPolicy, imagePullSecrets, trustDomain, trustDomainAliases,
caCertificates, outboundTrafficPolicy, pathNormalization, accessLogFile; controlPlane and injector with replicas and resources; gateway with
enabled, replicas, numTrustedProxies, serviceType, serviceAnnotations and resources; proxy (of injected pods) with resources.`,
};

/** Applies an installation's objects, or prints them. */
export const installCommand: Command = {
  name: "install",
  summary: "install the mesh into a cluster, or upgrade it",
  description: DESCRIPTION,
  run: async (args, context) => {
    const { values: options } = parseArgs({ args: [...args], options: OPTIONS });
    const values = await readValues(options);
    if (options.output !== undefined) {
      context.stdout(formatObjects(values, options.output));
      return 0;
    }
    const { wait } = options;
    if (wait !== "true" && wait !== "false") throw new UsageError(`--wait must be true or false, got "${wait}"`);
    const waitMs = wait === "true" ? parseDuration(options.timeout, "--timeout") : 0;
    const mode = options["dry-run"] === true ? "validate" : "apply";
    await withMeshCluster({ ...options, "istio-namespace": values.namespace }, context, async ({ api }) => {
      await installMesh(values, { mode, waitMs }, { api, clock: systemClock, ...installProgress(context) });
    });
    return 0;
  },
};

interface ValueOptions {
  readonly values?: readonly string[];
  readonly set?: readonly string[];
  readonly namespace?: string;
  readonly revision?: string;
}

async function readValues({ values: paths = [], set = [], namespace, revision }: ValueOptions): Promise<InstallValues> {
  const files = await Promise.all(paths.map(async (name) => ({ name, text: await readFile(name, "utf8") })));
  const expressions = [
    ...set,
    ...(namespace === undefined ? [] : [`namespace=${namespace}`]),
    ...(revision === undefined ? [] : [`revision=${revision}`]),
  ];
  return parseInstallValues({ files, expressions });
}

function formatObjects(values: InstallValues, output: string): string {
  const objects = renderInstallation(values).flatMap((part) => part.objects);
  if (output === "yaml") return formatManifests(objects);
  if (output !== "json") throw new UsageError(`--output must be yaml or json, got "${output}"`);
  return `${JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }, undefined, 2)}\n`;
}
