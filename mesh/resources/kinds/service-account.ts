import { z } from "zod";
import { metadataSchema, type ResourceBase } from "../fields/metadata.ts";

/** Tolerated: identities come from the pods, so that an account without a pod means nothing here. */
export const serviceAccountSchema = z.object({ metadata: metadataSchema });

export interface ServiceAccount extends ResourceBase {
  readonly kind: "ServiceAccount";
}
