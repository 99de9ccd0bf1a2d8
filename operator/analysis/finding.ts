import type { ConfigProblem } from "../../mesh/resources/config-problem.ts";
import { FINDING_CODES, type FindingName } from "../../mesh/resources/finding-codes.ts";

/** `error`: something does not work. `warning`: it may not work as intended. `info`: good to know. */
export type FindingSeverity = "error" | "warning" | "info";

/** Something in a configuration that its owner should know. */
export interface Finding {
  readonly severity: FindingSeverity;
  /** `IST0101`: Istio's code where it reports the same, else `ENT…`. */
  readonly code: string;
  readonly name: FindingName;
  /** `Kind/name.namespace`; absent if a file cannot be read. */
  readonly resource?: string;
  /** Path in the resource. */
  readonly field?: string;
  /** Absent for a cluster's resources. */
  readonly file?: string;
  readonly line?: number;
  readonly message: string;
}

export interface FindingSubject {
  readonly severity: FindingSeverity;
  readonly name: FindingName;
  readonly resource: string;
  readonly field?: string;
  readonly origin?: { readonly file: string; readonly line: number } | undefined;
}

/** A finding about a resource. */
export function createFinding({ name, origin, ...subject }: FindingSubject, message: string): Finding {
  return { ...subject, code: FINDING_CODES[name], name, ...origin, message };
}

/** A problem of reading or of the analysis. Kinds that do not concern the mesh are worth knowing, not a warning. */
export function findingFromProblem({ finding, file, line, severity, ...problem }: ConfigProblem): Finding {
  const { resource, field, message } = problem;
  return {
    severity: finding === "UnrelatedKind" ? "info" : severity,
    code: FINDING_CODES[finding],
    name: finding,
    ...(resource === undefined ? {} : { resource }),
    ...(field === undefined ? {} : { field }),
    ...(file === "" ? {} : { file }),
    ...(line === 0 ? {} : { line }),
    message,
  };
}

const ORDER: readonly FindingSeverity[] = ["error", "warning", "info"];

/** Whether a severity is at least as bad as a threshold. */
export function isAtLeast(severity: FindingSeverity, threshold: FindingSeverity): boolean {
  return ORDER.indexOf(severity) <= ORDER.indexOf(threshold);
}
