import { z } from "zod";
import type { Immutable } from "../fields/immutable.ts";
import { DNS_LABEL, metadataSchema, portNumberSchema, type ResourceBase } from "../fields/metadata.ts";
import { authenticationSpecSchema } from "./mesh-policy.ts";

/** A port of the Service (not of the container), by number or by name. */
const portSelectorSchema = z
  .object({ number: portNumberSchema.optional(), name: z.string().min(1).optional() })
  .refine((port) => (port.number === undefined) !== (port.name === undefined), "give either `number` or `name`");

const policySpecSchema = authenticationSpecSchema.extend({
  targets: z
    .array(
      z.object({
        name: z.string().regex(DNS_LABEL, "must be the short name of a Service in the policy's own namespace"),
        ports: z.array(portSelectorSchema).default([]),
      }),
    )
    .default([]),
});

export const policySchema = z
  .object({ metadata: metadataSchema, spec: policySpecSchema })
  .superRefine((document, context) => {
    const isDefault = document.metadata.name === "default";
    const hasTargets = document.spec.targets.length > 0;
    if (!isDefault && !hasTargets) {
      const message =
        "a Policy without `targets` applies to its namespace and must be named `default`; otherwise name a service in `spec.targets`";
      context.addIssue({ code: "custom", path: ["metadata", "name"], message });
    }
    if (isDefault && hasTargets) {
      const message =
        "a Policy named `default` applies to its namespace and must not have targets; rename it or remove them";
      context.addIssue({ code: "custom", path: ["spec", "targets"], message });
    }
  });

export type PolicySpec = Immutable<z.output<typeof policySpecSchema>>;

/** The legacy authentication policy of a namespace (named `default`) or of services in it. */
export interface Policy extends ResourceBase {
  readonly kind: "Policy";
  readonly spec: PolicySpec;
}
