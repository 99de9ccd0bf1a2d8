import type { Check, CheckResult, Finding } from "./checks/check.ts";
import { formatTable } from "./format-table.ts";
import type { TextStyle } from "./text-style.ts";

/** The end of a component's log, shown under a failure. */
export interface LogTail {
  readonly name: string;
  readonly lines: readonly string[];
}

export interface DemoTotals {
  readonly passed: number;
  readonly failed: number;
}

const INDENT = "   ";

/** The lines of one check: its title, each claim with what was seen, its table and notes. */
export function formatCheck(check: Pick<Check, "letter" | "title">, result: CheckResult, style: TextStyle): string {
  const lines = [
    `${style("strong", `${check.letter}. ${check.title}`)}`,
    ...result.findings.flatMap((finding) => formatFinding(finding, style)),
    ...(result.table === undefined ? [] : ["", ...formatTable(result.table.header, result.table.rows).map(indent)]),
    ...(result.notes ?? []).map((note) => style("dim", indent(note))),
  ];
  return `${lines.join("\n")}\n\n`;
}

/** A claim that held takes a line or two; one that did not also shows what was expected. */
function formatFinding(finding: Finding, style: TextStyle): readonly string[] {
  if (finding.passed) return [` ${style("good", "✓")} ${finding.claim}`, style("dim", `${INDENT}${finding.seen}`)];
  return [
    ` ${style("bad", "✗")} ${finding.claim}`,
    `${INDENT}expected  ${finding.expected}`,
    `${INDENT}seen      ${style("bad", finding.seen)}`,
  ];
}

/** The ends of the logs that may explain a failure. */
export function formatLogTails(tails: readonly LogTail[], style: TextStyle): string {
  const blocks = tails.map(({ name, lines }) =>
    [style("strong", `${INDENT}log of ${name}:`), ...lines.map((line) => style("dim", `${INDENT}${line}`))].join("\n"),
  );
  return `${blocks.join("\n")}\n\n`;
}

/** The last line of the demo, which scripts read: never coloured. */
export function formatTotals({ passed, failed }: DemoTotals): string {
  return `demo: ${passed} passed, ${failed} failed\n`;
}

/** How many findings held, of all checks together. */
export function countFindings(results: readonly CheckResult[]): DemoTotals {
  const findings = results.flatMap((result) => result.findings);
  const passed = findings.filter((finding) => finding.passed).length;
  return { passed, failed: findings.length - passed };
}

function indent(line: string): string {
  return `${INDENT}${line}`;
}
