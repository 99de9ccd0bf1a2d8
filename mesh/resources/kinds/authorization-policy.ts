import { z } from "zod";
import { isIdentityKey } from "../fields/condition-keys.ts";
import { DRY_RUN_ANNOTATION, findDryRunFault } from "../fields/dry-run.ts";
import type { Immutable } from "../fields/immutable.ts";
import { metadataSchema, type ResourceBase } from "../fields/metadata.ts";
import { addTargetIssues, policyTargetShape } from "../fields/policy-target.ts";
import { authorizationRuleSchema } from "./authorization-rule.ts";

const MAX_RULES = 512;

/** Strict: a misspelled `selector` would widen an ALLOW to its namespace. */
const authorizationPolicySpecSchema = z.strictObject({
  ...policyTargetShape,
  action: z.enum(["ALLOW", "DENY", "AUDIT", "CUSTOM"]).default("ALLOW"),
  provider: z.strictObject({ name: z.string().default("") }).optional(),
  /** One of them matches. An ALLOW without rules matches nothing, and thereby denies everything. */
  rules: z.array(authorizationRuleSchema).max(MAX_RULES).default([]),
});

export const authorizationPolicySchema = z
  .object({ metadata: metadataSchema, spec: authorizationPolicySpecSchema.prefault({}) })
  .superRefine(({ metadata, spec }, context) => {
    addTargetIssues(spec, context);
    const dryRun = findDryRunFault(metadata, spec.action);
    if (dryRun !== undefined) {
      context.addIssue({ code: "custom", path: ["metadata", "annotations", DRY_RUN_ANNOTATION], message: dryRun });
    }
    addActionIssues(spec, context);
    if (spec.action === "CUSTOM") addIdentityIssues(spec, context);
  });

export type AuthorizationPolicySpec = Immutable<z.output<typeof authorizationPolicySpecSchema>>;

/** What clients may do with a mesh's, a namespace's or a workload's ports. */
export interface AuthorizationPolicy extends ResourceBase {
  readonly kind: "AuthorizationPolicy";
  readonly spec: AuthorizationPolicySpec;
}

function addActionIssues({ action, rules, provider }: AuthorizationPolicySpec, context: z.RefinementCtx): void {
  if (rules.length === 0 && (action === "DENY" || action === "CUSTOM")) {
    const message = `must not be empty with the action ${action}, which would then have no effect: add a rule, or \`{}\` to match everything`;
    context.addIssue({ code: "custom", path: ["spec", "rules"], message });
  }
  if (action === "CUSTOM" && (provider?.name ?? "") === "") {
    const message = "is missing: the action CUSTOM needs the name of an extension provider";
    context.addIssue({ code: "custom", path: ["spec", "provider", "name"], message });
  }
  if (action !== "CUSTOM" && provider !== undefined) {
    const message = `is only for the action CUSTOM, and the action is ${action}: remove it`;
    context.addIssue({ code: "custom", path: ["spec", "provider"], message });
  }
}

/** The provider of a CUSTOM policy is asked before tokens are verified. */
function addIdentityIssues({ rules }: AuthorizationPolicySpec, context: z.RefinementCtx): void {
  const message = "cannot be used with the action CUSTOM, which is decided before the client's identity: remove it";
  for (const [index, rule] of rules.entries()) {
    for (const [at, { source }] of rule.from.entries()) {
      for (const field of IDENTITY_FIELDS.filter((name) => source[name].length > 0)) {
        context.addIssue({ code: "custom", path: ["spec", "rules", index, "from", at, "source", field], message });
      }
    }
    for (const [at, { key }] of rule.when.entries()) {
      if (!isIdentityKey(key)) continue;
      context.addIssue({ code: "custom", path: ["spec", "rules", index, "when", at, "key"], message });
    }
  }
}

const IDENTITY_FIELDS = [
  "principals",
  "notPrincipals",
  "requestPrincipals",
  "notRequestPrincipals",
  "namespaces",
  "notNamespaces",
  "serviceAccounts",
  "notServiceAccounts",
  "trustDomains",
  "notTrustDomains",
] as const;
