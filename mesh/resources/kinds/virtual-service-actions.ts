/** The actions of a VirtualService's route, apart from its destination. */
import { z } from "zod";
import { addFault } from "../fields/add-fault.ts";
import { durationSchema } from "../fields/duration.ts";
import { GRPC_STATUS } from "../fields/grpc-status-names.ts";
import {
  findAuthorityFault,
  findHeaderNameFault,
  findHeaderValueFault,
  findPathFault,
  isAuthorityName,
} from "../fields/header-rules.ts";
import { portNumberSchema } from "../fields/metadata.ts";
import { findUnknownRetryWords } from "../fields/retry-words.ts";

const pathSchema = z.string().superRefine((text, context) => addFault(findPathFault(text), [], context));
const authoritySchema = z.string().superRefine((text, context) => addFault(findAuthorityFault(text), [], context));

export const rewriteSchema = z.object({ uri: pathSchema.optional(), authority: authoritySchema.optional() });

export const redirectSchema = z
  .object({
    uri: pathSchema.optional(),
    authority: authoritySchema.optional(),
    scheme: z.enum(["http", "https"]).optional(),
    port: portNumberSchema.optional(),
    derivePort: z.enum(["FROM_PROTOCOL_DEFAULT", "FROM_REQUEST_PORT"]).optional(),
    redirectCode: z.literal([301, 302, 303, 307, 308]).default(301),
  })
  .refine(
    ({ redirectCode: _, ...where }) => Object.values(where).some((part) => part !== undefined),
    "a redirect needs a target: give `uri`, `authority`, `scheme` or `port`",
  );

export const retriesSchema = z.object({
  attempts: z.int().min(0).max(1000).default(0),
  perTryTimeout: durationSchema.optional(),
  retryOn: z
    .string()
    .default("")
    .superRefine((text, context) => {
      const unknown = findUnknownRetryWords(text);
      if (unknown.length > 0)
        addFault(`no retry condition is named ${unknown.join(", ")}: check the spelling`, [], context);
    }),
});

const percentageSchema = z.object({ value: z.number().min(0).max(100).default(0) });

/** Istio's spelling: `UNAVAILABLE`, not `14`. */
const grpcStatusSchema = z.string().transform((name, context) => {
  if (isStatusName(name)) return name;
  addFault(`must be the name of a gRPC status, such as UNAVAILABLE, got ${JSON.stringify(name)}`, [], context);
  return z.NEVER;
});

function isStatusName(name: string): name is keyof typeof GRPC_STATUS {
  return Object.hasOwn(GRPC_STATUS, name);
}

export const faultSchema = z.object({
  delay: z
    .object({
      fixedDelay: durationSchema.refine((ms) => ms > 0, "must be at least 1ms"),
      percentage: percentageSchema.optional(),
      /** Deprecated by Istio; `percentage` overrides it. */
      percent: z.int().min(0).max(100).optional(),
    })
    .optional(),
  abort: z
    .object({
      httpStatus: z.int().min(200).max(599).optional(),
      /** By name. For calls of gRPC; other clients receive the HTTP status that corresponds to it. */
      grpcStatus: grpcStatusSchema.optional(),
      percentage: percentageSchema.optional(),
    })
    .refine(
      ({ httpStatus, grpcStatus }) => httpStatus === undefined || grpcStatus === undefined,
      "give either `httpStatus` or `grpcStatus`",
    )
    .optional(),
});

const removedSchema = z
  .array(z.string())
  .default([])
  .superRefine((names, context) => {
    for (const [index, name] of names.entries()) addFault(findHeaderNameFault(name), [index], context);
  });

/** In requests, `host` and `:authority` mean the authority, as in Istio. */
function valuesSchema(side: "request" | "response") {
  return z
    .record(z.string(), z.string())
    .default({})
    .superRefine((values, context) => {
      for (const [name, value] of Object.entries(values)) {
        const isAuthority = side === "request" && isAuthorityName(name);
        addFault(isAuthority ? findAuthorityFault(value) : findHeaderNameFault(name), [name], context);
        addFault(findHeaderValueFault(value), [name], context);
      }
    });
}

function editSchema(side: "request" | "response") {
  return z.object({ set: valuesSchema(side), add: valuesSchema(side), remove: removedSchema }).prefault({});
}

export const headersSchema = z.object({ request: editSchema("request"), response: editSchema("response") });
