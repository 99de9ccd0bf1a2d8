import { parseArgs } from "node:util";
import { collectFindings, concernsNamespace } from "../../operator/analysis/collect-findings.ts";
import { isAtLeast } from "../../operator/analysis/finding.ts";
import { countFindings, formatFindings } from "../../operator/analysis/format-findings.ts";
import { choosePalette } from "../../operator/text/palette.ts";
import type { Command } from "../command.ts";
import type { CommandDescription, OptionTable } from "../command-line/command-description.ts";
import { formatJson, loadReportSubject, parseChoice, REPORT_OPTIONS } from "./report-options.ts";

const SEVERITIES = ["error", "warning", "info"] as const;
const OPTIONS = {
  "fail-on": {
    type: "string",
    choices: SEVERITIES,
    default: "error",
    help: "the least severity that makes the exit status 1",
  },
  ...REPORT_OPTIONS,
} as const satisfies OptionTable;

const DESCRIPTION: CommandDescription = {
  forms: ["[OPTION ...]", "-f FILE [-f FILE ...] [OPTION ...]"],
  text: `
Reports what is wrong or suspicious in the mesh's configuration: what cannot be read, rules without effect, references to
missing resources, TLS that the other side does not accept, pods without a sidecar. Codes are Istio's (IST…) where it
reports the same, else our own (ENT…).`,
  options: OPTIONS,
  notes:
    "The exit status is 0 if there is no finding of --fail-on or worse, 1 if there is, 2 for an invalid command line.",
};

/** The analysis for people and for CI. */
export const analyzeCommand: Command = {
  name: "analyze",
  summary: "report what is wrong or suspicious in the mesh's configuration",
  description: DESCRIPTION,
  run: async (args, context) => {
    const { values } = parseArgs({ args: [...args], options: OPTIONS });
    const threshold = parseChoice(values["fail-on"], SEVERITIES, "--fail-on");
    const output = parseChoice(values.output, REPORT_OPTIONS.output.choices, "--output");
    const { configuration, namespace } = await loadReportSubject(values, context);
    const findings = collectFindings(configuration).filter(
      (finding) => namespace === undefined || concernsNamespace(finding, namespace),
    );
    const report = { findings, counts: countFindings(findings) };
    context.stdout(output === "json" ? formatJson(report) : formatFindings(findings, choosePalette(context)));
    return findings.some(({ severity }) => isAtLeast(severity, threshold)) ? 1 : 0;
  },
};
