/**
 * The rules of an AuthorizationPolicy. Everything is strict, because a dropped condition would widen an ALLOW. A clause
 * that is absent (or null, as in Kubernetes) matches anything; one that is present and empty is a mistake.
 */
import { z } from "zod";
import { checkConditionKey, type FindValueFault } from "../fields/condition-keys.ts";
import {
  findIpBlockFault,
  findPathPatternFault,
  findPortFault,
  findServiceAccountFault,
  findTrustDomainFault,
  MAX_SERVICE_ACCOUNTS,
} from "../fields/policy-values.ts";

const MAX_ENTRIES = 512;

function valuesSchema(findFault: FindValueFault = () => undefined) {
  const valueSchema = z.string().superRefine((value, context) => {
    const fault = value === "" ? "must not be empty: remove it, or use `*` for any value" : findFault(value);
    if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
  });
  return z.array(valueSchema).default([]);
}

function serviceAccountsSchema() {
  return z.array(valuesSchema(findServiceAccountFault).unwrap().element).max(MAX_SERVICE_ACCOUNTS).default([]);
}

const sourceSchema = z
  .strictObject({
    principals: valuesSchema(),
    notPrincipals: valuesSchema(),
    requestPrincipals: valuesSchema(),
    notRequestPrincipals: valuesSchema(),
    namespaces: valuesSchema(),
    notNamespaces: valuesSchema(),
    serviceAccounts: serviceAccountsSchema(),
    notServiceAccounts: serviceAccountsSchema(),
    trustDomains: valuesSchema(findTrustDomainFault),
    notTrustDomains: valuesSchema(findTrustDomainFault),
    ipBlocks: valuesSchema(findIpBlockFault),
    notIpBlocks: valuesSchema(findIpBlockFault),
    remoteIpBlocks: valuesSchema(findIpBlockFault),
    notRemoteIpBlocks: valuesSchema(findIpBlockFault),
  })
  .superRefine((source, context) => {
    requireValues(source, "a source", context);
    const { serviceAccounts, notServiceAccounts, principals, notPrincipals, namespaces, notNamespaces } = source;
    const accounts = serviceAccounts.length + notServiceAccounts.length;
    if (accounts > 0 && principals.length + notPrincipals.length + namespaces.length + notNamespaces.length > 0) {
      const message = "has service accounts together with principals or namespaces: write one entry of `from` for each";
      context.addIssue({ code: "custom", path: ["serviceAccounts"], message });
    }
  });

const operationSchema = z
  .strictObject({
    hosts: valuesSchema(),
    notHosts: valuesSchema(),
    ports: valuesSchema(findPortFault),
    notPorts: valuesSchema(findPortFault),
    methods: valuesSchema(),
    notMethods: valuesSchema(),
    paths: valuesSchema(findPathPatternFault),
    notPaths: valuesSchema(findPathPatternFault),
  })
  .superRefine((operation, context) => requireValues(operation, "an operation", context));

/** An entry without a single value would match anything, as if the whole clause were absent. */
function requireValues(clause: Readonly<Record<string, readonly string[]>>, name: string, context: z.RefinementCtx) {
  if (Object.values(clause).some((values) => values.length > 0)) return;
  const message = `is ${name} without values: give one of ${Object.keys(clause).join(", ")}, or remove the whole clause to match anything`;
  context.addIssue({ code: "custom", message });
}

const conditionSchema = z
  .strictObject({ key: z.string().min(1), values: valuesSchema(), notValues: valuesSchema() })
  .superRefine(({ key, ...lists }, context) => {
    if (lists.values.length + lists.notValues.length === 0) {
      context.addIssue({ code: "custom", message: "is a condition without values: give `values` or `notValues`" });
    }
    const checked = checkConditionKey(key);
    if ("fault" in checked) {
      context.addIssue({ code: "custom", path: ["key"], message: checked.fault });
      return;
    }
    for (const field of ["values", "notValues"] as const) {
      for (const [index, value] of lists[field].entries()) {
        const fault = checked.findFault(value);
        if (fault !== undefined) context.addIssue({ code: "custom", path: [field, index], message: fault });
      }
    }
  });

export const authorizationRuleSchema = z.strictObject({
  /** One of them matches: who sends. */
  from: z
    .array(z.strictObject({ source: sourceSchema }))
    .min(1)
    .max(MAX_ENTRIES)
    .default([]),
  /** One of them matches: what is asked for. */
  to: z
    .array(z.strictObject({ operation: operationSchema }))
    .min(1)
    .max(MAX_ENTRIES)
    .default([]),
  /** All of them match. */
  when: z.array(conditionSchema).max(MAX_ENTRIES).default([]),
});
