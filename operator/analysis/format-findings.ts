import { formatCount } from "../../mesh/format-count.ts";
import { type Palette, printable } from "../text/palette.ts";
import type { Finding, FindingSeverity } from "./finding.ts";

/** One line a finding, `FILE:LINE: SEVERITY [CODE]: RESOURCE: FIELD: MESSAGE`, and a line with their numbers. */
export function formatFindings(findings: readonly Finding[], palette: Palette): string {
  const lines = findings.map((finding) => `${formatFinding(finding, palette)}\n`);
  return `${lines.join("")}${lines.length === 0 ? "" : "\n"}${formatCounts(countFindings(findings), palette)}\n`;
}

/** The number of findings of each severity. */
export function countFindings(findings: readonly Finding[]): Readonly<Record<FindingSeverity, number>> {
  const count = (severity: FindingSeverity): number =>
    findings.filter((finding) => finding.severity === severity).length;
  return { error: count("error"), warning: count("warning"), info: count("info") };
}

/** One line. */
export function formatFinding(
  { severity, code, file, line, resource, field, message }: Finding,
  palette: Palette,
): string {
  const mark = { error: palette.bad, warning: palette.warning, info: palette.strong }[severity];
  const place = file === undefined ? [] : [line === undefined ? file : `${file}:${line}`];
  const subject = [resource, field, message].filter((part) => part !== undefined).map(printable);
  return [...place, `${mark(severity)} [${code}]`, ...subject].join(": ");
}

function formatCounts({ error, warning, info }: Readonly<Record<FindingSeverity, number>>, palette: Palette): string {
  if (error + warning + info === 0) return palette.good("No problems found.");
  const parts = [formatCount(error, "error"), formatCount(warning, "warning"), `${info} for information`];
  return `${parts.join(", ")}.`;
}
