import { z } from "zod";
import type { Immutable } from "../fields/immutable.ts";
import { metadataSchema, type ResourceBase } from "../fields/metadata.ts";

/** `mtls:` without a value is parsed as `{}`, which is STRICT, as in authentication.istio.io/v1alpha1. */
const mutualTlsSchema = z.object({ mode: z.enum(["STRICT", "PERMISSIVE"]).default("STRICT") });

/** The common part of MeshPolicy and Policy. The first peer with `mtls` applies; without one, mutual TLS is off. */
export const authenticationSpecSchema = z.object({
  peers: z.array(z.object({ mtls: mutualTlsSchema.optional() })).default([]),
});

export const meshPolicySchema = z
  .object({ metadata: metadataSchema, spec: authenticationSpecSchema })
  .superRefine((document, context) => {
    if (document.metadata.name !== "default") {
      context.addIssue({
        code: "custom",
        path: ["metadata", "name"],
        message: "a MeshPolicy must be named `default`; for one namespace use a Policy",
      });
    }
  });

export type AuthenticationSpec = Immutable<z.output<typeof authenticationSpecSchema>>;

/** The legacy mesh-wide authentication policy. */
export interface MeshPolicy extends ResourceBase {
  readonly kind: "MeshPolicy";
  readonly spec: AuthenticationSpec;
}
