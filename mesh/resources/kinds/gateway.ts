import { z } from "zod";
import { hostPatternSchema } from "../fields/host-pattern.ts";
import type { Immutable } from "../fields/immutable.ts";
import { metadataSchema, portNumberSchema, type ResourceBase, stringMapSchema } from "../fields/metadata.ts";

/** `host`, or `NAMESPACE/host` to select the namespace of VirtualServices: a name, `.` or `*`. */
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
  /** Complete, because a server with TLS or an HTTPS redirect must not be served in plaintext. */
  tls: z.looseObject({}).optional(),
});

export const gatewaySchema = z.object({
  metadata: metadataSchema,
  spec: z.object({ selector: stringMapSchema.default({}), servers: z.array(serverSchema).default([]) }),
});

export type GatewaySpec = Immutable<z.output<typeof gatewaySchema>>["spec"];
export type GatewayServer = GatewaySpec["servers"][number];

/** The listeners of a gateway's pods. */
export interface Gateway extends ResourceBase {
  readonly kind: "Gateway";
  readonly spec: GatewaySpec;
}
