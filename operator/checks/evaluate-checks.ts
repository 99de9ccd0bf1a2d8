import type { CheckGroup } from "./check.ts";
import type { ClusterFacts } from "./cluster-facts.ts";
import { checkComponents } from "./component-checks.ts";
import { checkDataPlane } from "./data-plane-checks.ts";
import { checkNodes } from "./node-checks.ts";
import { checkBeforeInstallation } from "./preflight-checks.ts";
import { checkServer } from "./server-checks.ts";
import { checkTrust } from "./trust-checks.ts";
import { checkWebhooks } from "./webhook-checks.ts";

/** `preflight`: before an installation. `health`: of an installation. */
export type CheckStage = "preflight" | "health";

/** Judges the facts. Without an API server nothing else is worth judging. */
export function evaluateChecks(facts: ClusterFacts, stage: CheckStage): readonly CheckGroup[] {
  const server = checkServer(facts);
  if (facts.version.kind === "unknown") return [server];
  if (stage === "preflight") return [server, checkBeforeInstallation(facts), checkNodes(facts)];
  return [server, checkComponents(facts), checkTrust(facts), checkWebhooks(facts), checkDataPlane(facts)];
}
