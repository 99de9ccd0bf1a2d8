import type { FindingName } from "./finding-codes.ts";

/** A problem in the configuration, its location, and how to fix it. */
export interface ConfigProblem {
  /** `error`: the document is not used. `warning`: it is used, but not completely, or with an unexpected effect. */
  readonly severity: "error" | "warning";
  /** The kind of problem; `FINDING_CODES` has its code. */
  readonly finding: FindingName;
  /** Empty if the problem is between resources. */
  readonly file: string;
  /** Starts at 1; 0 if the problem is between resources. */
  readonly line: number;
  readonly column?: number;
  /** `Kind/name.namespace`, or `Kind/name` for kinds without a namespace. */
  readonly resource?: string;
  /** Path in the document: `spec.peers[0].mtls.mode`. */
  readonly field?: string;
  readonly message: string;
  /** Another resource that the message names, as `resource` is written: not everybody may read its name. */
  readonly other?: string;
}

/** One line for a log or a terminal: `file:line: severity: resource: field: message`. */
export function formatConfigProblem(problem: ConfigProblem): string {
  const place = problem.file === "" ? [] : [problem.line > 0 ? `${problem.file}:${problem.line}` : problem.file];
  const parts = [...place, problem.severity, problem.resource, problem.field, problem.message];
  return parts.filter((part) => part !== undefined && part !== "").join(": ");
}
