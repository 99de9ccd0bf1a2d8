/** One entry of a RequestAuthentication's `jwtRules`. */
import { z } from "zod";
import { addFault } from "../fields/add-fault.ts";
import { durationSchema } from "../fields/duration.ts";
import {
  findFieldNameFault,
  findHeaderNameFault,
  findHeaderValueFault,
  foldHeaderName,
} from "../fields/header-rules.ts";
import { findKeySetFault } from "../fields/json-web-keys.ts";
import { quote } from "../fields/quote.ts";

const textSchema = z.string().min(1);

const fieldNameSchema = z.string().superRefine((name, context) => addFault(findFieldNameFault(name), [], context));

/** Fields that the proxy sets. One that frames the message, or that carries the peer's identity, cannot be among them. */
const outputNameSchema = z.string().superRefine((name, context) => addFault(findHeaderNameFault(name), [], context));

const urlSchema = z.string().superRefine((text, context) => {
  const url = URL.parse(text);
  const isHttp = url !== null && (url.protocol === "https:" || url.protocol === "http:");
  if (!isHttp) addFault(`must be a URL with https:// or http://, is ${quote(text)}`, [], context);
  if (isHttp && `${url.username}${url.password}` !== "") {
    addFault("must not contain a user or a password: everybody who may read the policy could use them", [], context);
  }
});

const locationSchema = z.strictObject({
  name: fieldNameSchema,
  /** What precedes the token, such as `Bearer `; empty: the whole value is the token. */
  prefix: z
    .string()
    .default("")
    .superRefine((prefix, context) => addFault(findHeaderValueFault(prefix), [], context)),
});

/** Claims of nested objects are written with dots. */
const claimOutputSchema = z.strictObject({ header: outputNameSchema, claim: textSchema });

export const tokenRuleSchema = z
  .strictObject({
    issuer: textSchema,
    /** One of them must be in the token; empty: any. */
    audiences: z.array(textSchema).default([]),
    /** Where the keys are. Neither this nor `jwks`: the issuer's OpenID discovery document names them. */
    jwksUri: urlSchema.optional(),
    /** An older spelling, refused so that the rule does not fall back to another source of keys. */
    jwks_uri: z
      .string()
      .optional()
      .superRefine((text, context) => {
        if (text !== undefined) addFault("is the older spelling: write it `jwksUri`", [], context);
      }),
    jwks: z
      .string()
      .optional()
      .superRefine((text, context) => addFault(text === undefined ? undefined : findKeySetFault(text), [], context)),
    fromHeaders: z.array(locationSchema).default([]),
    fromParams: z.array(textSchema).default([]),
    fromCookies: z.array(textSchema).default([]),
    outputPayloadToHeader: outputNameSchema.optional(),
    forwardOriginalToken: z.boolean().default(false),
    outputClaimToHeaders: z.array(claimOutputSchema).default([]),
    /** Of one attempt to fetch the keys, in milliseconds. */
    timeout: durationSchema.refine((ms) => ms > 0, "must be at least 1ms").optional(),
    /** Claims that are split at spaces, as `scope` and `permission` always are. */
    spaceDelimitedClaims: z.array(textSchema).default([]),
  })
  .superRefine((rule, context) => {
    if (rule.jwks !== undefined && rule.jwksUri !== undefined) {
      addFault("is given together with `jwks`: keep one of them", ["jwksUri"], context);
    }
    addRepetitions(rule, context);
  });

type Rule = Pick<
  z.output<typeof tokenRuleSchema>,
  "fromHeaders" | "fromParams" | "fromCookies" | "outputClaimToHeaders" | "outputPayloadToHeader"
>;

/** Two outputs in one field, in any spelling that an application could read as the same, would leave one of them out. */
function addRepetitions(rule: Rule, context: z.RefinementCtx): void {
  const { fromHeaders, fromParams, fromCookies, outputClaimToHeaders, outputPayloadToHeader } = rule;
  const payload = outputPayloadToHeader === undefined ? [] : [foldHeaderName(outputPayloadToHeader)];
  const lists = {
    fromHeaders: fromHeaders.map(({ name, prefix }) => `${name.toLowerCase()} ${prefix}`),
    fromParams,
    fromCookies,
    outputClaimToHeaders: outputClaimToHeaders.map(({ header }) => foldHeaderName(header)),
  };
  for (const [field, values] of Object.entries(lists)) {
    const taken = new Set(field === "outputClaimToHeaders" ? payload : []);
    for (const [index, value] of values.entries()) {
      if (taken.has(value)) addFault(`repeats ${quote(value)}: remove one of them`, [field, index], context);
      taken.add(value);
    }
  }
}
