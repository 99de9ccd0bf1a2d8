import { z } from "zod";
import type { Immutable } from "../../mesh/resources/fields/immutable.ts";

/** An entry of `metadata.ownerReferences`, as far as it is read here. */
export const ownerReferenceSchema = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  name: z.string(),
  uid: z.string().nullish(),
  controller: z.boolean().nullish(),
});

export type OwnerReference = Immutable<z.output<typeof ownerReferenceSchema>>;
