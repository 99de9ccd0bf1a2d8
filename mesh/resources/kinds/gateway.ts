import { z } from "zod";
import { hostPatternSchema } from "../fields/host-pattern.ts";
import type { Immutable } from "../fields/immutable.ts";
import { metadataSchema, portNumberSchema, type ResourceBase, stringMapSchema } from "../fields/metadata.ts";

/** `host`, or `NAMESPACE/host` where the namespace of the VirtualServices is chosen: a name, `.` or `*`. */
const serverHostSchema = z.string().superRefine((text, context) => {
  const slash = text.indexOf("/");
  const host = hostPatternSchema.safeParse(text.slice(slash + 1));
  const namespace = slash < 0 ? "*" : text.slice(0, slash);
  if (!host.success || !/^(?:\*|\.|[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)$/.test(namespace)) {
    context.addIssue({ code: "custom", message: "must be a host, or NAMESPACE/host with a namespace, `.` or `*`" });
  }
});

const serverSchema = z.object({
  port: z.object({ number: portNumberSchema, name: z.string().optional(), protocol: z.string().min(1) }),
  hosts: z.array(serverHostSchema).min(1),
  name: z.string().optional(),
  /** Kept whole, since a server that asks for TLS or for a redirect to it must not be served in plaintext. */
  tls: z.looseObject({}).optional(),
});

export const gatewaySchema = z.object({
  metadata: metadataSchema,
  spec: z.object({ selector: stringMapSchema.default({}), servers: z.array(serverSchema).default([]) }),
});

export type GatewaySpec = Immutable<z.output<typeof gatewaySchema>>["spec"];
export type GatewayServer = GatewaySpec["servers"][number];

/** What a gateway's pods listen on. */
export interface Gateway extends ResourceBase {
  readonly kind: "Gateway";
  readonly spec: GatewaySpec;
}
