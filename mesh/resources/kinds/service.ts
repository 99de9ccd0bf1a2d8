import { z } from "zod";
import type { Immutable } from "../fields/immutable.ts";
import { metadataSchema, portNumberSchema, type ResourceBase, stringMapSchema } from "../fields/metadata.ts";

const servicePortSchema = z.looseObject({
  name: z.string().optional(),
  port: portNumberSchema,
  /** A number, or the name of a container port, resolved per pod. Absent: the same as `port`. */
  targetPort: portNumberSchema.or(z.string().min(1)).optional(),
  protocol: z.string().default("TCP"),
  appProtocol: z.string().optional(),
});

const serviceSpecSchema = z.looseObject({
  type: z.string().default("ClusterIP"),
  /** Absent or empty: the service selects no pods. */
  selector: stringMapSchema.optional(),
  /** `None` means headless. */
  clusterIP: z.string().optional(),
  clusterIPs: z.array(z.string()).optional(),
  /** Also includes pods that are not ready. */
  publishNotReadyAddresses: z.boolean().optional(),
  /** The name that a Service of type ExternalName refers to. */
  externalName: z.string().optional(),
  ports: z.array(servicePortSchema).default([]),
});

export const serviceSchema = z.object({ metadata: metadataSchema, spec: serviceSpecSchema.prefault({}) });

export type ServiceSpec = Immutable<z.output<typeof serviceSpecSchema>>;
export type ServicePort = Immutable<z.output<typeof servicePortSchema>>;

export interface Service extends ResourceBase {
  readonly kind: "Service";
  readonly spec: ServiceSpec;
}
