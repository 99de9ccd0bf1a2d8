import { parseArgs } from "node:util";
import { choosePalette } from "../../operator/text/palette.ts";
import { formatTlsTable } from "../../operator/tls/format-tls-table.ts";
import { isFailing } from "../../operator/tls/tls-row.ts";
import { createTlsTable } from "../../operator/tls/tls-table.ts";
import { findPod, findService } from "../../operator/workloads/find-by-name.ts";
import type { Command } from "../command.ts";
import type { CommandDescription } from "../command-line/command-description.ts";
import { UsageError } from "../usage-error.ts";
import { formatJson, loadReportSubject, parseChoice, REPORT_OPTIONS } from "./report-options.ts";

const DESCRIPTION: CommandDescription = {
  forms: ["[POD[.NAMESPACE]] [HOST] [OPTION ...]", "[POD[.NAMESPACE]] [HOST] -f FILE [OPTION ...]"],
  text: `
Shows who speaks what to whom: for each port of a service what the server's sidecar accepts, what the client's sends, and
the rule of each side. POD is the client: a pod or a workload; without it, all pods with a sidecar. HOST is a service, as
NAME, NAME.NAMESPACE or its full name; without it, all.`,
  options: REPORT_OPTIONS,
  notes: `
STATUS is OK (decided by rules), AUTO (by what the server's pods can do), CONFLICT (connections fail), REFUSED (the client's
own sidecar does not connect) or NO ENDPOINTS. The exit status is 1 if a row is CONFLICT or REFUSED.`,
};

/** The table of `istioctl authn tls-check`. */
export const tlsCheckCommand: Command = {
  name: "tls-check",
  summary: "show who speaks what to whom, by which two rules",
  description: DESCRIPTION,
  run: async (args, context) => {
    const { values, positionals } = parseArgs({ args: [...args], options: REPORT_OPTIONS, allowPositionals: true });
    const [pod, host, ...rest] = positionals;
    if (rest.length > 0) throw new UsageError(`at most a pod and a host are allowed, got "${positionals.join(" ")}"`);
    const output = parseChoice(values.output, REPORT_OPTIONS.output.choices, "--output");
    const { configuration, namespace } = await loadReportSubject(values, context);
    const client = pod === undefined ? undefined : findPod(configuration.set, pod, namespace);
    const service = host === undefined ? undefined : findService(configuration, host, namespace);
    const rows = createTlsTable(configuration, {
      ...(client === undefined ? {} : { client }),
      ...(namespace === undefined ? {} : { namespace }),
      ...(service === undefined ? {} : { isSelected: (one) => one === service }),
    });
    const palette = choosePalette(context);
    const hasClients = client === undefined;
    context.stdout(output === "json" ? formatJson({ rows }) : formatTlsTable(rows, palette, { hasClients }));
    if (rows.length === 0) context.stderr(describeEmpty(namespace));
    return rows.some(isFailing) ? 1 : 0;
  },
};

function describeEmpty(namespace: string | undefined): string {
  const place = namespace === undefined ? "" : ` in namespace ${namespace} (-A shows all)`;
  return `there is no client with a sidecar${place}, or no service for it\n`;
}
