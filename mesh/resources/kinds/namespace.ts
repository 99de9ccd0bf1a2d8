import { z } from "zod";
import { metadataSchema, type ResourceBase } from "../fields/metadata.ts";

/** Only its labels are used: `istio-injection`, `istio.io/rev`. */
export const namespaceSchema = z.object({ metadata: metadataSchema });

export interface Namespace extends ResourceBase {
  readonly kind: "Namespace";
}
