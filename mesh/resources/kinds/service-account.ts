import { z } from "zod";
import { metadataSchema, type ResourceBase } from "../fields/metadata.ts";

/** Accepted but not used: identities come from pods. */
export const serviceAccountSchema = z.object({ metadata: metadataSchema });

export interface ServiceAccount extends ResourceBase {
  readonly kind: "ServiceAccount";
}
