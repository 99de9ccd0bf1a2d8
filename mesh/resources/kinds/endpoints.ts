import { z } from "zod";
import { endpointAddressSchema, objectReferenceSchema } from "../fields/endpoint-address.ts";
import type { Immutable } from "../fields/immutable.ts";
import { metadataSchema, portNumberSchema, type ResourceBase } from "../fields/metadata.ts";

const addressSchema = z.looseObject({
  ip: endpointAddressSchema,
  targetRef: objectReferenceSchema.optional(),
});

const subsetSchema = z.looseObject({
  addresses: z.array(addressSchema).default([]),
  notReadyAddresses: z.array(addressSchema).default([]),
  ports: z
    .array(z.looseObject({ name: z.string().default(""), port: portNumberSchema, protocol: z.string().default("TCP") }))
    .default([]),
});

export const endpointsSchema = z.object({ metadata: metadataSchema, subsets: z.array(subsetSchema).default([]) });

/** The older form of a Service's endpoints, with the Service's own name. */
export interface Endpoints extends ResourceBase {
  readonly kind: "Endpoints";
  readonly subsets: readonly Immutable<z.output<typeof subsetSchema>>[];
}
