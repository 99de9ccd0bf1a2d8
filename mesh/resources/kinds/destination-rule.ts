import { z } from "zod";
import { isSpiffeId } from "../../identity/is-spiffe-id.ts";
import { durationSchema } from "../fields/duration.ts";
import { hostPatternSchema } from "../fields/host-pattern.ts";
import type { Immutable } from "../fields/immutable.ts";
import {
  metadataSchema,
  portNumberSchema,
  type ResourceBase,
  stringMapSchema,
  workloadSelectorSchema,
} from "../fields/metadata.ts";

/** A missing `mode` is DISABLE, the first value of Istio's enumeration: `tls: {}` requests plaintext. */
const clientTlsSchema = z
  .object({
    mode: z.enum(["DISABLE", "SIMPLE", "MUTUAL", "ISTIO_MUTUAL"]).default("DISABLE"),
    sni: z.string().optional(),
    subjectAltNames: z.array(z.string()).default([]),
  })
  .superRefine((tls, context) => {
    if (tls.mode !== "ISTIO_MUTUAL") return;
    for (const [index, name] of tls.subjectAltNames.entries()) {
      if (isSpiffeId(name)) continue;
      const message =
        "with ISTIO_MUTUAL a subject is a SPIFFE id: spiffe://TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT";
      context.addIssue({ code: "custom", path: ["subjectAltNames", index], message });
    }
  });

/** Istio's int32. 0 means no limit. */
const limitSchema = z.int().min(0).max(0x7f_ff_ff_ff).optional();

const httpPoolSchema = z
  .object({
    h2UpgradePolicy: z.enum(["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"]).optional(),
    /** Requests go on in the client's version. */
    useClientProtocol: z.boolean().optional(),
    /** Requests at a time, of any version, whatever the name says. */
    http2MaxRequests: limitSchema,
    maxRequestsPerConnection: limitSchema,
    /** Of one HTTP/2 connection. */
    maxConcurrentStreams: limitSchema,
    /** Retries at a time. */
    maxRetries: limitSchema,
    /** In milliseconds. */
    idleTimeout: durationSchema.refine((ms) => ms > 0, "must be at least 1ms").optional(),
  })
  .refine(
    ({ h2UpgradePolicy, useClientProtocol }) => h2UpgradePolicy !== "UPGRADE" || useClientProtocol !== true,
    "`useClientProtocol` must not be true with `h2UpgradePolicy: UPGRADE`",
  );

const connectionPoolSchema = z.object({ http: httpPoolSchema.optional() });

const portPolicySchema = z.object({
  port: z.object({ number: portNumberSchema }),
  tls: clientTlsSchema.optional(),
  connectionPool: connectionPoolSchema.optional(),
});

const trafficPolicySchema = z.object({
  tls: clientTlsSchema.optional(),
  connectionPool: connectionPoolSchema.optional(),
  /** Ports of the Service. Each entry replaces the whole policy for its port. */
  portLevelSettings: z.array(portPolicySchema).default([]),
});

const subsetSchema = z.object({
  name: z.string().min(1),
  labels: stringMapSchema.default({}),
  trafficPolicy: trafficPolicySchema.optional(),
});

export const destinationRuleSchema = z.object({
  metadata: metadataSchema,
  spec: z.object({
    host: hostPatternSchema,
    trafficPolicy: trafficPolicySchema.optional(),
    subsets: z.array(subsetSchema).default([]),
    exportTo: z.array(z.string().min(1)).default([]),
    /** Selects clients in the rule's own namespace. */
    workloadSelector: workloadSelectorSchema.optional(),
  }),
});

export type DestinationRuleSpec = Immutable<z.output<typeof destinationRuleSchema>>["spec"];
export type ClientTls = Immutable<z.output<typeof clientTlsSchema>>;
export type HttpPool = Immutable<z.output<typeof httpPoolSchema>>;
export type TrafficPolicy = Immutable<z.output<typeof trafficPolicySchema>>;
export type Subset = Immutable<z.output<typeof subsetSchema>>;

/** How clients connect to a host. */
export interface DestinationRule extends ResourceBase {
  readonly kind: "DestinationRule";
  readonly spec: DestinationRuleSpec;
}
