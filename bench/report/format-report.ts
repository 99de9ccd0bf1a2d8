import type { PathKind } from "../paths/path.ts";
import type { Workload } from "../workload.ts";
import { alignColumns, formatTable } from "./format-table.ts";
import { judgeTargets } from "./judge-targets.ts";
import type { Summary } from "./summarize.ts";

export interface ReportInput {
  readonly workloads: readonly Workload[];
  readonly summaries: readonly Summary[];
  readonly paths: readonly Pick<PathKind, "name" | "title">[];
  /** What was not measured, and why: a sentence each. */
  readonly leftOut: readonly string[];
}

/** Fewer give no verdict on a machine that does other work too. */
const ENOUGH_ROUNDS = 5;

/** A table a workload, and how this run stands to what the project wants to reach. */
export function formatReport({ workloads, summaries, paths, leftOut }: ReportInput): string {
  const titles = new Map<string, string>(paths.map(({ name, title }) => [name, title]));
  const tables = workloads.flatMap((workload) => {
    const own = summaries.filter((summary) => summary.workload === workload.name);
    return own.length === 0 ? [] : [formatTable(workload, own, titles)];
  });
  const targets = judgeTargets(summaries).map(({ title, value, limit, isMet, rounds }) => [
    title,
    value.toFixed(2),
    `<= ${limit}`,
    `${isMet ? "met" : "missed"}${rounds < ENOUGH_ROUNDS ? `, ${rounds} of ${ENOUGH_ROUNDS} rounds` : ""}`,
  ]);
  if (targets.length > 0) tables.push(alignColumns([["targets", "measured", "wanted", ""], ...targets]));
  if (leftOut.length > 0) tables.push(`${leftOut.join("\n")}\n`);
  return tables.map((table) => `\n${table}`).join("");
}
