import { z } from "zod";
import { addFault } from "../fields/add-fault.ts";
import { DRY_RUN_ANNOTATION, findUnusableDryRun } from "../fields/dry-run.ts";
import type { Immutable } from "../fields/immutable.ts";
import { metadataSchema, type ResourceBase } from "../fields/metadata.ts";
import { addTargetIssues, policyTargetShape } from "../fields/policy-target.ts";
import type { AuthorizationPolicy } from "./authorization-policy.ts";
import { tokenRuleSchema } from "./request-authentication-rule.ts";

const MAX_RULES = 4096;

/** Strict: a misspelled `selector` would let a token of this issuer count in a whole namespace. */
const requestAuthenticationSpecSchema = z.strictObject({
  ...policyTargetShape,
  jwtRules: z.array(tokenRuleSchema).max(MAX_RULES).default([]),
});

export const requestAuthenticationSchema = z
  .object({ metadata: metadataSchema, spec: requestAuthenticationSpecSchema.prefault({}) })
  .superRefine(({ metadata, spec }, context) => {
    addTargetIssues(spec, context);
    const path = ["metadata", "annotations", DRY_RUN_ANNOTATION];
    addFault(findUnusableDryRun(metadata, "RequestAuthentication"), path, context);
  });

export type RequestAuthenticationSpec = Immutable<z.output<typeof requestAuthenticationSpecSchema>>;

/** Which tokens a mesh's, a namespace's or a workload's HTTP ports accept. A request without a token is let through. */
export interface RequestAuthentication extends ResourceBase {
  readonly kind: "RequestAuthentication";
  readonly spec: RequestAuthenticationSpec;
  /**
   * Only of a stand-in for one that does not show where its tokens are. The index of a ResourceSet has it among the
   * AuthorizationPolicies.
   */
  readonly denial?: AuthorizationPolicy;
}
