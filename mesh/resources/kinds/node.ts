import { z } from "zod";
import type { Immutable } from "../fields/immutable.ts";
import { metadataSchema, type ResourceBase } from "../fields/metadata.ts";

const nodeStatusSchema = z.looseObject({
  nodeInfo: z.looseObject({ kubeletVersion: z.string().optional() }).prefault({}),
});

/** Only its kubelet's version is used: it decides whether pods may have native sidecars. */
export const nodeSchema = z.object({ metadata: metadataSchema, status: nodeStatusSchema.prefault({}) });

export interface Node extends ResourceBase {
  readonly kind: "Node";
  readonly status: Immutable<z.output<typeof nodeStatusSchema>>;
}
