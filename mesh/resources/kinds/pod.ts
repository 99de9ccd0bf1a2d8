import { z } from "zod";
import { isServiceAccountName } from "../../identity/spiffe-id.ts";
import type { Immutable } from "../fields/immutable.ts";
import { metadataSchema, portNumberSchema, type ResourceBase } from "../fields/metadata.ts";

/** A Service's `targetPort: NAME` refers to named container ports. */
const containerPortSchema = z.looseObject({
  name: z.string().optional(),
  containerPort: portNumberSchema,
  protocol: z.string().default("TCP"),
});

const containerSchema = z.looseObject({
  name: z.string().min(1),
  image: z.string().optional(),
  command: z.array(z.string()).optional(),
  args: z.array(z.string()).optional(),
  env: z.array(z.looseObject({ name: z.string().min(1), value: z.string().optional() })).optional(),
  ports: z.array(containerPortSchema).optional(),
  /** `Always` makes an init container a native sidecar, whose ports are served like others. */
  restartPolicy: z.string().optional(),
});

/** The fields of a pod's specification that are used; the rest is kept for code that runs or patches pods. */
export const podSpecSchema = z.looseObject({
  serviceAccountName: z
    .string()
    .refine(isServiceAccountName, "must be a DNS name (RFC 1123): it becomes part of the workload's identity")
    .default("default"),
  containers: z.array(containerSchema).default([]),
  initContainers: z.array(containerSchema).optional(),
  hostNetwork: z.boolean().optional(),
  nodeName: z.string().optional(),
});

const podStatusSchema = z.looseObject({
  podIP: z.string().optional(),
  podIPs: z.array(z.looseObject({ ip: z.string() })).optional(),
  phase: z.string().optional(),
  conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).default([]),
});

export const podSchema = z.object({
  metadata: metadataSchema,
  spec: podSpecSchema.prefault({}),
  status: podStatusSchema.prefault({}),
});

export type PodSpec = Immutable<z.output<typeof podSpecSchema>>;
export type PodStatus = Immutable<z.output<typeof podStatusSchema>>;
export type Container = Immutable<z.output<typeof containerSchema>>;

export interface Pod extends ResourceBase {
  readonly kind: "Pod";
  readonly spec: PodSpec;
  readonly status: PodStatus;
}
