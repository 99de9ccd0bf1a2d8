import { parseArgs } from "node:util";
import { collectFindings } from "../../operator/analysis/collect-findings.ts";
import type { Finding } from "../../operator/analysis/finding.ts";
import type { Configuration } from "../../operator/configuration/configuration.ts";
import { formatPodDescription, formatServiceDescription } from "../../operator/describe/format-description.ts";
import { describePod, relatedNames } from "../../operator/describe/pod-description.ts";
import { describeService, relatedServiceNames } from "../../operator/describe/service-description.ts";
import { choosePalette } from "../../operator/text/palette.ts";
import { findPod, findService } from "../../operator/workloads/find-by-name.ts";
import type { Command } from "../command.ts";
import type { CommandDescription } from "../command-line/command-description.ts";
import { UsageError } from "../usage-error.ts";
import { formatJson, loadReportSubject, parseChoice, REPORT_OPTIONS } from "./report-options.ts";

const DESCRIPTION: CommandDescription = {
  forms: ["pod NAME[.NAMESPACE] [-f FILE] [OPTION ...]", "service NAME[.NAMESPACE] [-f FILE] [OPTION ...]"],
  text: `
Shows which rules of the mesh apply to a pod or a service, in their order of precedence: peer authentication of each port,
its protocol and why, DestinationRules, VirtualServices and gateways that lead to it, the sidecar, and what is suspicious.`,
  options: REPORT_OPTIONS,
  words: [["pod", "service"]],
};

/** The rules of one pod or service. */
export const describeCommand: Command = {
  name: "describe",
  summary: "show which rules apply to a pod or a service",
  description: DESCRIPTION,
  run: async (args, context) => {
    const { values, positionals } = parseArgs({ args: [...args], options: REPORT_OPTIONS, allowPositionals: true });
    const [what, name, ...rest] = positionals;
    if ((what !== "pod" && what !== "service") || name === undefined || rest.length > 0) {
      throw new UsageError(`the arguments must be pod NAME or service NAME, got "${positionals.join(" ")}"`);
    }
    const output = parseChoice(values.output, REPORT_OPTIONS.output.choices, "--output");
    const { configuration, namespace } = await loadReportSubject(values, context);
    const palette = choosePalette(context);
    if (what === "pod") {
      const description = describePod(configuration, findPod(configuration.set, name, namespace));
      const findings = findingsAbout(configuration, relatedNames(description));
      const text = () => formatPodDescription(description, findings, palette);
      context.stdout(output === "json" ? formatJson({ ...description, findings }) : text());
      return 0;
    }
    const description = describeService(configuration, findService(configuration, name, namespace));
    const findings = findingsAbout(configuration, relatedServiceNames(description));
    const text = () => formatServiceDescription(description, findings, palette);
    context.stdout(output === "json" ? formatJson({ ...description, findings }) : text());
    return 0;
  },
};

function findingsAbout(configuration: Configuration, names: ReadonlySet<string>): readonly Finding[] {
  return collectFindings(configuration).filter(({ resource }) => resource !== undefined && names.has(resource));
}
