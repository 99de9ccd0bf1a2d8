/** What is wrong with a piece of configuration, where, and how to fix it. */
export interface ConfigProblem {
  /** `error`: the document is left out. `warning`: it is used, but not all of it, or not as its author may think. */
  readonly severity: "error" | "warning";
  /** Empty where the problem lies between resources. */
  readonly file: string;
  /** From 1; 0 where the problem lies between resources. */
  readonly line: number;
  readonly column?: number;
  /** `Kind/name.namespace`, or `Kind/name` for kinds without a namespace. */
  readonly resource?: string;
  /** Path in the document: `spec.peers[0].mtls.mode`. */
  readonly field?: string;
  readonly message: string;
}

/** One line for a log or a terminal: `file:line: severity: resource: field: message`. */
export function formatConfigProblem(problem: ConfigProblem): string {
  const place = problem.file === "" ? [] : [problem.line > 0 ? `${problem.file}:${problem.line}` : problem.file];
  const parts = [...place, problem.severity, problem.resource, problem.field, problem.message];
  return parts.filter((part) => part !== undefined && part !== "").join(": ");
}
