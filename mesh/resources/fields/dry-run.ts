import type { ResourceMetadata } from "./metadata.ts";

/** Istio's annotation for an AuthorizationPolicy that is counted and logged without an effect. */
export const DRY_RUN_ANNOTATION = "istio.io/dry-run";

/** The texts that Istio reads as a boolean (Go's `strconv.ParseBool`). */
const TRUE: readonly string[] = ["1", "t", "T", "true", "TRUE", "True"];
const FALSE: readonly string[] = ["0", "f", "F", "false", "FALSE", "False"];

type Annotations = Pick<ResourceMetadata, "annotations">;

/** Whether an AuthorizationPolicy is without an effect. What cannot be read as a boolean is not: it is enforced. */
export function isDryRun({ annotations }: Annotations): boolean {
  return TRUE.includes(annotations[DRY_RUN_ANNOTATION] ?? "");
}

/** What is wrong with the annotation of a policy with some action; `undefined`: nothing. */
export function findDryRunFault({ annotations }: Annotations, action: string): string | undefined {
  const value = annotations[DRY_RUN_ANNOTATION];
  if (value === undefined) return undefined;
  if (action !== "ALLOW" && action !== "DENY") {
    return `is only for the actions ALLOW and DENY, and the action is ${action}: remove the annotation`;
  }
  const isBoolean = TRUE.includes(value) || FALSE.includes(value);
  return isBoolean ? undefined : `must be "true" or "false", is ${JSON.stringify(value.slice(0, 60))}`;
}

/** The same for a kind of policy that Istio does not run dry. */
export function findUnusableDryRun({ annotations }: Annotations, kind: string): string | undefined {
  if (annotations[DRY_RUN_ANNOTATION] === undefined) return undefined;
  return `is not for ${kind}, which would be enforced: remove the annotation`;
}
