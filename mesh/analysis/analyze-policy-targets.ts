import type { ConfigProblem } from "../resources/config-problem.ts";
import { targetRefsOf } from "../resources/fields/policy-target.ts";
import type { AuthorizationPolicy } from "../resources/kinds/authorization-policy.ts";
import type { RequestAuthentication } from "../resources/kinds/request-authentication.ts";
import type { AnalysisInput } from "./policy-scope.ts";
import { createResourceWarning } from "./resource-warning.ts";

/** Policies that apply to nothing, or to more than their author may think. */
export function findTargetProblems(
  policy: AuthorizationPolicy | RequestAuthentication,
  input: AnalysisInput,
): readonly ConfigProblem[] {
  const { selector } = policy.spec;
  const isGateway = targetRefsOf(policy.spec).some(({ kind }) => kind === "Gateway");
  if (targetRefsOf(policy.spec).length > 0) {
    const field = policy.spec.targetRef === undefined ? "spec.targetRefs" : "spec.targetRef";
    const message = isGateway
      ? "sidecars ignore this policy: it applies to the pods of that Gateway alone; for workloads use `selector`"
      : "has no effect: sidecars ignore it, and there are no waypoints; for workloads use `selector`";
    return [createResourceWarning({ resource: policy, finding: "UnsupportedSetting", field }, message)];
  }
  if (selector === undefined) return [];
  if (Object.keys(selector.matchLabels).length === 0) {
    const message = "is empty, so the policy applies as without it: remove it, or add labels";
    return [createResourceWarning({ resource: policy, finding: "EmptySelector", field: "spec.selector" }, message)];
  }
  if (input.set.pods.size === 0 || input.workloadsOf(policy).length > 0) return [];
  const message = "selects no workload: compare the labels with those of the pods";
  return [
    createResourceWarning({ resource: policy, finding: "NoMatchingWorkloadsFound", field: "spec.selector" }, message),
  ];
}
