import type { ConfigProblem } from "../resources/config-problem.ts";
import { formatResourceName } from "../resources/fields/resource-names.ts";
import type { FindingName } from "../resources/finding-codes.ts";
import type { Resource } from "../resources/resource.ts";

/** What a warning is about. */
export interface WarningSubject {
  readonly resource: Resource;
  readonly finding: FindingName;
  /** Path in the resource; absent for the whole resource. */
  readonly field?: string;
  /** Another resource that the message names by `formatResourceName`. */
  readonly other?: Resource;
}

/** A warning about a resource, with its origin. */
export function createResourceWarning(
  { resource, finding, field, other }: WarningSubject,
  message: string,
): ConfigProblem {
  return {
    severity: "warning",
    finding,
    file: resource.origin?.file ?? "",
    line: resource.origin?.line ?? 0,
    resource: formatResourceName(resource),
    ...(field === undefined ? {} : { field }),
    message,
    ...(other === undefined ? {} : { other: formatResourceName(other) }),
  };
}
