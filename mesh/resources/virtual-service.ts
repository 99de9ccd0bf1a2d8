import { z } from "zod";
import { checkRegex } from "../policy/compile-regex.ts";
import { hostPatternSchema } from "./host-pattern.ts";
import type { Immutable } from "./immutable.ts";
import { metadataSchema, portNumberSchema, type ResourceBase } from "./metadata.ts";

const stringMatchShape = { exact: z.string().optional(), prefix: z.string().optional(), regex: z.string().optional() };

const stringMatchSchema = z.object(stringMatchShape).superRefine((match, context) => {
  if (Object.keys(match).length !== 1) {
    context.addIssue({ code: "custom", message: "give exactly one of `exact`, `prefix` and `regex`" });
  }
  addRegexIssue(match.regex, context);
});

/** An empty match of a header asks only that the header be there. */
const headerMatchSchema = z.object(stringMatchShape).superRefine((match, context) => {
  if (Object.keys(match).length > 1) {
    context.addIssue({ code: "custom", message: "give at most one of `exact`, `prefix` and `regex`" });
  }
  addRegexIssue(match.regex, context);
});

const matchSchema = z.object({
  name: z.string().optional(),
  uri: stringMatchSchema.optional(),
  method: stringMatchSchema.optional(),
  authority: stringMatchSchema.optional(),
  headers: z.record(z.string().min(1), headerMatchSchema).default({}),
  withoutHeaders: z.record(z.string().min(1), headerMatchSchema).default({}),
  ignoreUriCase: z.boolean().default(false),
  /** The listener's port, and the gateways that the match is for. */
  port: portNumberSchema.optional(),
  gateways: z.array(z.string().min(1)).default([]),
});

const destinationSchema = z.object({
  host: hostPatternSchema.refine((host) => !host.startsWith("*"), "a destination is one host: no `*` here"),
  subset: z.string().min(1).optional(),
  port: z.object({ number: portNumberSchema }).optional(),
});

const httpRouteSchema = z.object({
  name: z.string().optional(),
  match: z.array(matchSchema).default([]),
  route: z
    .array(z.object({ destination: destinationSchema, weight: z.int().min(0).max(0xff_ff_ff).optional() }))
    .default([])
    .refine(
      (routes) => routes.length < 2 || routes.some((route) => (route.weight ?? 0) > 0),
      "the weights of several destinations add up to 0: give at least one of them a `weight`",
    ),
});

export const virtualServiceSchema = z.object({
  metadata: metadataSchema,
  spec: z.object({
    hosts: z.array(hostPatternSchema).min(1),
    /** `NAME`, `NAMESPACE/NAME`, or `mesh` for the sidecars, which is the default. */
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
export type RouteDestination = HttpRouteSpec["route"][number]["destination"];

/** Where requests for a host go. */
export interface VirtualService extends ResourceBase {
  readonly kind: "VirtualService";
  readonly spec: VirtualServiceSpec;
}
