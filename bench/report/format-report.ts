import type { PathKind } from "../paths/path.ts";
import type { Workload } from "../workload.ts";
import { alignColumns, formatTable } from "./format-table.ts";
import { judgeTargets } from "./judge-targets.ts";
import type { Summary } from "./summarize.ts";

export interface ReportInput {
  readonly workloads: readonly Workload[];
  readonly summaries: readonly Summary[];
  readonly paths: readonly Pick<PathKind, "name" | "title">[];
}

/** A table a workload, and how this run stands to what the project wants to reach. */
export function formatReport({ workloads, summaries, paths }: ReportInput): string {
  const titles = new Map<string, string>(paths.map(({ name, title }) => [name, title]));
  const tables = workloads.flatMap((workload) => {
    const own = summaries.filter((summary) => summary.workload === workload.name);
    return own.length === 0 ? [] : [formatTable(workload, own, titles)];
  });
  const targets = judgeTargets(summaries).map(({ title, value, limit, isMet }) => [
    title,
    value.toFixed(2),
    `<= ${limit}`,
    isMet ? "met" : "missed",
  ]);
  if (targets.length > 0) tables.push(alignColumns([["targets", "measured", "wanted", ""], ...targets]));
  return tables.map((table) => `\n${table}`).join("");
}
