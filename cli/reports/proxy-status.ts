import { parseArgs } from "node:util";
import { systemClock } from "../../mesh/runtime.ts";
import { localPages } from "../../operator/local-pages.ts";
import { formatProxies } from "../../operator/proxies/format-proxies.ts";
import { createProxyReport, type ProxyPod } from "../../operator/proxies/proxy-report.ts";
import { readReplicas } from "../../operator/proxies/read-replicas.ts";
import type { ControlPlaneReplica } from "../../operator/proxies/sync-page.ts";
import { choosePalette } from "../../operator/text/palette.ts";
import { readMeshPods } from "../../operator/versions/component-pods.ts";
import { LOCAL_OPTION, MESH_OPTIONS, type MeshOptionValues, withMeshCluster } from "../cluster/mesh-cluster.ts";
import type { Command, CommandContext } from "../command.ts";
import type { CommandDescription, OptionTable } from "../command-line/command-description.ts";
import { formatJson, OUTPUT_OPTION, parseChoice } from "./report-options.ts";

const OPTIONS = {
  namespace: { type: "string", short: "n", value: "NAME", help: "only proxies of this namespace (all)" },
  ...OUTPUT_OPTION,
  ...LOCAL_OPTION,
  ...MESH_OPTIONS,
} as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: ["[OPTION ...]"],
  text: `
Shows every proxy of the mesh: whether a control plane has a stream with it, since when, its version, what was last sent to
it and what it last acknowledged. All replicas of the control plane are asked.`,
  options: OPTIONS,
  notes: `
STATE is synced, behind (not acknowledged yet), rejected (it keeps an earlier value) or not connected. It needs the right to
create pods/portforward in the control plane's namespace. The exit status is 1 if a proxy needs attention or a control plane
could not be asked.`,
};

/** What the proxies have of their configuration. */
export const proxyStatusCommand: Command = {
  name: "proxy-status",
  summary: "show which proxies are connected and up to date",
  description: DESCRIPTION,
  run: async (args, context) => {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    const output = parseChoice(values.output, OUTPUT_OPTION.output.choices, "--output");
    const { replicas, pods } = await (values.local === true ? readLocal(context) : readCluster(values, context));
    const nowMs = systemClock.now();
    const { namespace } = values;
    const rows = createProxyReport({ replicas, pods, nowMs }).filter(
      ({ pod }) => namespace === undefined || pod.endsWith(`.${namespace}`),
    );
    const palette = choosePalette(context);
    context.stdout(
      output === "json"
        ? formatJson({ proxies: rows, controlPlanes: replicas.map(describeReplica) })
        : formatProxies(rows, replicas, { nowMs, palette }),
    );
    const isUnread = replicas.length === 0 || replicas.some(({ page }) => page.kind === "failed");
    if (replicas.length === 0) context.stderr("there is no control plane: is it installed in this namespace (-i)?\n");
    return isUnread || rows.some(({ problem }) => problem !== undefined) ? 1 : 0;
  },
};

interface Facts {
  readonly replicas: readonly ControlPlaneReplica[];
  readonly pods: readonly ProxyPod[];
}

function readCluster(values: MeshOptionValues, context: CommandContext): Promise<Facts> {
  return withMeshCluster(values, context, async ({ api, pods, rootNamespace }) => {
    const { signal } = context;
    const { controlPlane, proxies } = await readMeshPods({ api, rootNamespace, signal });
    return { replicas: await readReplicas(pods, controlPlane, signal), pods: proxies };
  });
}

/** On one machine the sidecars of pods are not listed: a proxy that is not connected is missing. */
async function readLocal({ signal }: CommandContext): Promise<Facts> {
  const pages = localPages();
  const controlPlane = pages.pods.filter(({ name }) => name.startsWith("istiod-"));
  return { replicas: await readReplicas(pages, controlPlane, signal), pods: [] };
}

function describeReplica({ pod, page }: ControlPlaneReplica) {
  return page.kind === "read" ? { pod, proxies: page.proxies.length } : { pod, error: page.reason };
}
