import { z } from "zod";
import { endpointAddressSchema, isIpv4, isIpv6, objectReferenceSchema } from "../fields/endpoint-address.ts";
import type { Immutable } from "../fields/immutable.ts";
import { metadataSchema, portNumberSchema, type ResourceBase } from "../fields/metadata.ts";

const endpointSchema = z.looseObject({
  addresses: z.array(z.string().min(1)).min(1),
  /** A missing `ready` means true, a missing `serving` the same as `ready`. */
  conditions: z
    .looseObject({
      ready: z.boolean().default(true),
      serving: z.boolean().optional(),
      terminating: z.boolean().default(false),
    })
    .prefault({}),
  /** The pod of the endpoint, if the slice refers to one. */
  targetRef: objectReferenceSchema.optional(),
});

const endpointPortSchema = z.looseObject({
  /** The Service port's name; empty for a Service's only port. */
  name: z.string().default(""),
  /** Absent means every port. */
  port: portNumberSchema.optional(),
  protocol: z.string().default("TCP"),
  appProtocol: z.string().optional(),
});

const sliceFields = {
  metadata: metadataSchema,
  ports: z.array(endpointPortSchema).default([]),
};

function endpointsOf(address: z.ZodType<string, string>) {
  const addresses = z.array(address).min(1);
  return z.array(endpointSchema.extend({ addresses })).default([]);
}

const sliceVariants = [
  z.object({
    addressType: z.literal("IPv4"),
    ...sliceFields,
    endpoints: endpointsOf(endpointAddressSchema.refine(isIpv4, "must be an IPv4 address")),
  }),
  z.object({
    addressType: z.literal("IPv6"),
    ...sliceFields,
    endpoints: endpointsOf(endpointAddressSchema.refine(isIpv6, "must be an IPv6 address")),
  }),
  z.object({ addressType: z.literal("FQDN"), ...sliceFields, endpoints: endpointsOf(z.string().min(1)) }),
] as const;

export const endpointSliceSchema = z.discriminatedUnion("addressType", sliceVariants, {
  error: "must be one of IPv4, IPv6, FQDN",
});

export type SliceEndpoint = Immutable<z.output<typeof endpointSchema>>;
export type SlicePort = Immutable<z.output<typeof endpointPortSchema>>;

/** Some endpoints of a Service; a Service may have several slices. */
export interface EndpointSlice extends ResourceBase {
  readonly kind: "EndpointSlice";
  readonly addressType: "IPv4" | "IPv6" | "FQDN";
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports: readonly SlicePort[];
}
