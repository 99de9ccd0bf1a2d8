import { z } from "zod";
import type { Immutable } from "../fields/immutable.ts";
import { metadataSchema, type ResourceBase, stringMapSchema } from "../fields/metadata.ts";
import { podSpecSchema } from "./pod.ts";

const templateSchema = z.looseObject({
  metadata: z
    .looseObject({ labels: stringMapSchema.default({}), annotations: stringMapSchema.default({}) })
    .prefault({}),
  spec: podSpecSchema.prefault({}),
});

const deploymentSpecSchema = z.looseObject({
  replicas: z.int().min(0).default(1),
  selector: z.looseObject({ matchLabels: stringMapSchema.default({}) }).prefault({}),
  template: templateSchema.prefault({}),
});

/** Used by code that creates pods from it; policy only uses pods. */
export const deploymentSchema = z.object({ metadata: metadataSchema, spec: deploymentSpecSchema.prefault({}) });

export type DeploymentSpec = Immutable<z.output<typeof deploymentSpecSchema>>;

export interface Deployment extends ResourceBase {
  readonly kind: "Deployment";
  readonly spec: DeploymentSpec;
}
