import { z } from "zod";
import { addFault } from "../fields/add-fault.ts";
import { DRY_RUN_ANNOTATION, findUnusableDryRun } from "../fields/dry-run.ts";
import type { Immutable } from "../fields/immutable.ts";
import { metadataSchema, type ResourceBase, workloadSelectorSchema } from "../fields/metadata.ts";

const modeSchema = z.object({ mode: z.enum(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]).default("UNSET") });

/** Container ports, as text: the parser turns numeric YAML keys into text. */
const workloadPortSchema = z
  .string()
  .regex(/^[1-9]\d{0,4}$/, "must be a port number from 1 to 65535")
  .refine((text) => Number(text) <= 65535, "must be a port number from 1 to 65535");

const peerAuthenticationSpecSchema = z.object({
  selector: workloadSelectorSchema.optional(),
  mtls: modeSchema.prefault({}),
  portLevelMtls: z.record(workloadPortSchema, modeSchema).default({}),
});

export const peerAuthenticationSchema = z
  .object({ metadata: metadataSchema, spec: peerAuthenticationSpecSchema.prefault({}) })
  .superRefine((document, context) => {
    const dryRun = findUnusableDryRun(document.metadata, "PeerAuthentication");
    addFault(dryRun, ["metadata", "annotations", DRY_RUN_ANNOTATION], context);
    const { selector, portLevelMtls } = document.spec;
    const selects = Object.keys(selector?.matchLabels ?? {}).length > 0;
    if (!selects && Object.keys(portLevelMtls).length > 0) {
      const message =
        "portLevelMtls needs a selector: add `selector.matchLabels`, since ports are those of one workload";
      context.addIssue({ code: "custom", path: ["spec", "portLevelMtls"], message });
    }
  });

export type PeerAuthenticationSpec = Immutable<z.output<typeof peerAuthenticationSpecSchema>>;

/** Which clients a mesh, a namespace or a workload accepts. */
export interface PeerAuthentication extends ResourceBase {
  readonly kind: "PeerAuthentication";
  readonly spec: PeerAuthenticationSpec;
}
