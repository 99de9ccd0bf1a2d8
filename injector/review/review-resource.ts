import { isDeepStrictEqual } from "node:util";
import type { ConfigProblem } from "../../mesh/resources/config-problem.ts";
import { DRY_RUN_ANNOTATION } from "../../mesh/resources/fields/dry-run.ts";
import { parseObject } from "../../mesh/resources/parsing/parse-resources.ts";
import type { Resource } from "../../mesh/resources/resource.ts";
import { type AdmissionRequest, readAdmissionReview } from "./admission-request.ts";
import { createResult, type Reviewed, type ReviewResult, refuse } from "./review-result.ts";

export interface ResourceReviewDeps {
  /**
   * What is suspicious about a valid resource beside the mesh's others. Must be fast: a user waits.
   * @returns one sentence each
   */
  readonly analyze: (resource: Resource) => readonly string[];
}

/**
 * Reviews a resource of the mesh before it is stored, given as the JSON text of an AdmissionReview. It is refused for
 * what the control plane would refuse, in the same words. Never throws, whatever the text contains.
 */
export function reviewResource(text: string, deps: ResourceReviewDeps): ReviewResult {
  const reading = readAdmissionReview(text);
  switch (reading.kind) {
    case "malformed":
      return reading;
    case "unsupported":
      return refuse(reading.request, { reason: "unsupported_version", message: reading.message, code: 400 });
    case "request":
      return reviewRequest(reading.request, deps);
  }
}

function reviewRequest(request: AdmissionRequest, deps: ResourceReviewDeps): Reviewed {
  const { operation, subResource, object, oldObject } = request;
  if (operation === "DELETE" || operation === "CONNECT" || subResource) {
    return allow(request, "only a resource's content is validated");
  }
  if (!isMapping(object)) {
    return refuse(request, { reason: "no_object", message: "the request contains no resource", code: 400 });
  }
  if (isBeingDeleted(object)) return allow(request, "the resource is being deleted");
  if (operation === "UPDATE" && isMapping(oldObject) && !changesContent(oldObject, object)) {
    return allow(request, "the resource's content stays as it is");
  }
  const { resources, problems } = parseObject(object);
  const errors = problems.filter(({ severity }) => severity === "error");
  if (errors.length > 0) {
    return refuse(request, { reason: "invalid_resource", message: errors.map(describe).join("; "), code: 422 });
  }
  const warnings = [...problems.map(describe), ...resources.flatMap((resource) => deps.analyze(resource))];
  return createResult(request, {
    outcome: "valid",
    reason: "",
    message: "the resource is valid",
    warnings,
    response: { allowed: true },
  });
}

function allow(request: AdmissionRequest, message: string): Reviewed {
  return createResult(request, { outcome: "skipped", reason: "not_validated", message, response: { allowed: true } });
}

/** `spec.mtls.mode: must be one of …`. The user has just named the resource; analysis names it in a list. */
function describe({ resource, field, message }: ConfigProblem): string {
  return [resource, field, message].filter((part) => part !== undefined && part !== "").join(": ");
}

type Mapping = Readonly<Record<string, unknown>>;

function isMapping(value: unknown): value is Mapping {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An invalid resource from before this webhook must stay deletable: its finalizers are removed by an update. */
function isBeingDeleted({ metadata }: Mapping): boolean {
  return isMapping(metadata) && typeof metadata["deletionTimestamp"] === "string";
}

/**
 * A controller that adds a label or an annotation to an invalid resource is not its author. One annotation is content: it
 * decides whether a policy is enforced.
 */
function changesContent(before: Mapping, after: Mapping): boolean {
  return (
    before["apiVersion"] !== after["apiVersion"] ||
    dryRunOf(before) !== dryRunOf(after) ||
    !isDeepStrictEqual(before["spec"], after["spec"])
  );
}

function dryRunOf({ metadata }: Mapping): unknown {
  const annotations = isMapping(metadata) ? metadata["annotations"] : undefined;
  return isMapping(annotations) ? annotations[DRY_RUN_ANNOTATION] : undefined;
}
