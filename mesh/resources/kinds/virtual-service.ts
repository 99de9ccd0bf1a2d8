import { z } from "zod";
import { checkRegex } from "../fields/compile-regex.ts";
import { durationSchema } from "../fields/duration.ts";
import { hostPatternSchema } from "../fields/host-pattern.ts";
import type { Immutable } from "../fields/immutable.ts";
import { metadataSchema, portNumberSchema, type ResourceBase, stringMapSchema } from "../fields/metadata.ts";
import { faultSchema, headersSchema, redirectSchema, retriesSchema, rewriteSchema } from "./virtual-service-actions.ts";

const stringMatchShape = { exact: z.string().optional(), prefix: z.string().optional(), regex: z.string().optional() };

const stringMatchSchema = z.object(stringMatchShape).superRefine((match, context) => {
  if (Object.keys(match).length !== 1) {
    context.addIssue({ code: "custom", message: "give exactly one of `exact`, `prefix` and `regex`" });
  }
  addRegexIssue(match.regex, context);
});

/** An empty match of a header, or Istio's regex `*`, only requires the header to be present. */
const namedMatchSchema = z.object(stringMatchShape).superRefine((match, context) => {
  if (Object.keys(match).length > 1) {
    context.addIssue({ code: "custom", message: "give at most one of `exact`, `prefix` and `regex`" });
  }
  if (match.regex !== "*") addRegexIssue(match.regex, context);
});
const namedMatchesSchema = z.record(z.string().min(1), namedMatchSchema).default({});

const matchSchema = z.object({
  name: z.string().optional(),
  uri: stringMatchSchema.optional(),
  method: stringMatchSchema.optional(),
  authority: stringMatchSchema.optional(),
  scheme: stringMatchSchema.optional(),
  headers: namedMatchesSchema,
  withoutHeaders: namedMatchesSchema,
  queryParams: namedMatchesSchema,
  ignoreUriCase: z.boolean().default(false),
  /** The requested port: the listener's, or the service's. */
  port: portNumberSchema.optional(),
  /** The gateways that the match applies to; `mesh` for sidecars. */
  gateways: z.array(z.string().min(1)).default([]),
  /** The client's labels. */
  sourceLabels: stringMapSchema.default({}),
  sourceNamespace: z.string().optional(),
});

const destinationSchema = z.object({
  host: hostPatternSchema.refine((host) => !host.startsWith("*"), "a destination must be one host, without `*`"),
  subset: z.string().min(1).optional(),
  port: z.object({ number: portNumberSchema }).optional(),
});

const targetSchema = z.object({
  destination: destinationSchema,
  weight: z.int().min(0).max(0xff_ff_ff).optional(),
  headers: headersSchema.optional(),
});

const httpRouteSchema = z
  .object({
    name: z.string().optional(),
    match: z.array(matchSchema).default([]),
    route: z
      .array(targetSchema)
      .default([])
      .refine(
        (routes) => routes.length < 2 || routes.some((route) => (route.weight ?? 0) > 0),
        "the weights of several destinations add up to 0: give at least one of them a `weight`",
      ),
    rewrite: rewriteSchema.optional(),
    redirect: redirectSchema.optional(),
    /** In milliseconds. */
    timeout: durationSchema.optional(),
    retries: retriesSchema.optional(),
    headers: headersSchema.optional(),
    fault: faultSchema.optional(),
  })
  .refine(
    ({ redirect, route, rewrite }) => redirect === undefined || (route.length === 0 && rewrite === undefined),
    "a route with `redirect` must not have `route` or `rewrite`",
  );

export const virtualServiceSchema = z.object({
  metadata: metadataSchema,
  spec: z.object({
    hosts: z.array(hostPatternSchema).min(1),
    /** `NAME`, `NAMESPACE/NAME`, or `mesh` for sidecars, which is the default. */
    gateways: z.array(z.string().min(1)).default([]),
    http: z.array(httpRouteSchema).default([]),
    exportTo: z.array(z.string().min(1)).default([]),
  }),
});

function addRegexIssue(regex: string | undefined, context: z.RefinementCtx): void {
  const fault = regex === undefined ? undefined : checkRegex(regex);
  if (fault !== undefined) context.addIssue({ code: "custom", path: ["regex"], message: fault });
}

export type VirtualServiceSpec = Immutable<z.output<typeof virtualServiceSchema>>["spec"];
export type HttpRouteSpec = VirtualServiceSpec["http"][number];
export type HttpMatchSpec = HttpRouteSpec["match"][number];
export type RouteTargetSpec = HttpRouteSpec["route"][number];
export type RouteDestination = HttpRouteSpec["route"][number]["destination"];

/** Where requests for a host go. */
export interface VirtualService extends ResourceBase {
  readonly kind: "VirtualService";
  readonly spec: VirtualServiceSpec;
}
