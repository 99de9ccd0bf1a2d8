import { parseArgs } from "node:util";
import { systemClock } from "../../mesh/runtime.ts";
import { type CertificatesInput, createCertificatesReport } from "../../operator/certificates/certificates-report.ts";
import { formatCertificates } from "../../operator/certificates/format-certificates.ts";
import { readCertificatesPage, readPublishedRoots } from "../../operator/certificates/read-certificates.ts";
import { localPages } from "../../operator/local-pages.ts";
import { choosePalette } from "../../operator/text/palette.ts";
import { readPod } from "../../operator/workloads/read-pod.ts";
import { LOCAL_OPTION, MESH_OPTIONS, type MeshOptionValues, withMeshCluster } from "../cluster/mesh-cluster.ts";
import type { Command, CommandContext } from "../command.ts";
import type { CommandDescription, OptionTable } from "../command-line/command-description.ts";
import { UsageError } from "../usage-error.ts";
import { formatJson, OUTPUT_OPTION, parseChoice } from "./report-options.ts";

const OPTIONS = {
  namespace: { type: "string", short: "n", value: "NAME", help: "the pod's namespace" },
  ...OUTPUT_OPTION,
  ...LOCAL_OPTION,
  ...MESH_OPTIONS,
} as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: ["POD[.NAMESPACE] [OPTION ...]"],
  text: `
Shows the certificates of a pod's proxy: its own, with identity, key type, serial number and expiry, and the roots that it
trusts. POD is a pod or a workload. Keys are never shown: the proxy does not give them out.`,
  options: OPTIONS,
  notes: `
In a cluster it needs the right to create pods/portforward. The exit status is 1 if something is wrong: no certificate, an
expired one, one that was not renewed, another identity, or other roots than ConfigMap istio-ca-root-cert has.`,
};

/** The certificates that a proxy uses now. */
export const certsCommand: Command = {
  name: "certs",
  summary: "show the certificates of a pod's proxy",
  description: DESCRIPTION,
  run: async (args, context) => {
    const { values, positionals } = parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
    const [name, ...rest] = positionals;
    if (name === undefined || rest.length > 0)
      throw new UsageError(`one pod must be given, got "${positionals.join(" ")}"`);
    const output = parseChoice(values.output, OUTPUT_OPTION.output.choices, "--output");
    const nowMs = systemClock.now();
    const input =
      values.local === true ? await readLocal(name, values, context) : await readCluster(name, values, context);
    const report = createCertificatesReport({ ...input, nowMs });
    context.stdout(output === "json" ? formatJson(report) : formatCertificates(report, nowMs, choosePalette(context)));
    return report.problems.length === 0 ? 0 : 1;
  },
};

type Input = Omit<CertificatesInput, "nowMs">;
type Values = MeshOptionValues & { readonly namespace?: string | undefined };

function readCluster(name: string, values: Values, context: CommandContext): Promise<Input> {
  return withMeshCluster(values, context, async ({ api, pods, namespace, rootNamespace }) => {
    const { signal } = context;
    const found = await readPod({ api, rootNamespace, signal }, name, values.namespace ?? namespace);
    const [page, publishedRoots] = await Promise.all([
      readCertificatesPage(pods, found.pod, signal),
      readPublishedRoots(api, found.pod.namespace, signal),
    ]);
    return { pod: `${found.pod.name}.${found.pod.namespace}`, page, publishedRoots, expected: found.identities };
  });
}

async function readLocal(name: string, { namespace }: Values, { signal }: CommandContext): Promise<Input> {
  const pages = localPages();
  const pod = pages.find(name, namespace);
  const page = await readCertificatesPage(pages, pod, signal);
  return { pod: `${pod.name}.${pod.namespace}`, page, publishedRoots: undefined, expected: [] };
}
