import type { ConfigProblem } from "../resources/config-problem.ts";
import { formatResourceName } from "../resources/fields/resource-names.ts";
import type { Resource } from "../resources/resource.ts";

/** A warning about a whole resource, with its origin. */
export function createResourceWarning(resource: Resource, field: string, message: string): ConfigProblem {
  return {
    severity: "warning",
    file: resource.origin?.file ?? "",
    line: resource.origin?.line ?? 0,
    resource: formatResourceName(resource),
    ...(field === "" ? {} : { field }),
    message,
  };
}
