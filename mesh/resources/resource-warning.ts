import { formatResourceName } from "../policy/resource-names.ts";
import type { ConfigProblem } from "./config-problem.ts";
import type { Resource } from "./resource.ts";

/** A warning about a whole resource, at the place where it was written. */
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
