import type { ConfigProblem } from "../resources/config-problem.ts";
import type { ResourceSet } from "../resources/resource-set.ts";
import type { AnalysisSettings } from "./analysis-settings.ts";
import { findAuthenticationProblems } from "./analyze-authentication.ts";
import { findAuthorizationProblems } from "./analyze-authorization.ts";
import { findPoolProblems } from "./analyze-connection-pools.ts";
import { findDestinationRuleProblems } from "./analyze-destination-rules.ts";
import { findEndpointProblems } from "./analyze-endpoints.ts";
import { findPortProblems } from "./analyze-ports.ts";
import { findRoutingProblems } from "./analyze-routing.ts";

const DEFAULT_SETTINGS: AnalysisSettings = { rootNamespace: "istio-system", clusterDomain: "cluster.local" };

/** The parts of an analysis, for a caller that does other work in between. */
export const ANALYSES: readonly ((set: ResourceSet, settings: AnalysisSettings) => readonly ConfigProblem[])[] = [
  findAuthenticationProblems,
  findAuthorizationProblems,
  findDestinationRuleProblems,
  findPoolProblems,
  findRoutingProblems,
  findPortProblems,
  findEndpointProblems,
];

/**
 * Suspicious combinations of resources that are each valid: overridden rules, rules that select nothing, references to
 * missing resources. These are only warnings: everything applies as written.
 */
export function analyzeResourceSet(
  set: ResourceSet,
  settings: AnalysisSettings = DEFAULT_SETTINGS,
): readonly ConfigProblem[] {
  return ANALYSES.flatMap((analyze) => analyze(set, settings));
}
