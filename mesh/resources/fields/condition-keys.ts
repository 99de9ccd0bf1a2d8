/**
 * The keys of an AuthorizationPolicy's `when`, as Istio spells them. A key that no proxy would find is refused: a policy
 * that denies would then deny less than it says.
 */
import { findFieldNameFault } from "./header-rules.ts";
import { findIpBlockFault, findPortFault, findServiceAccountFault, findTrustDomainFault } from "./policy-values.ts";
import { quote } from "./quote.ts";

/** What is wrong with a value; `undefined`: nothing. */
export type FindValueFault = (value: string) => string | undefined;

const ANY_VALUE: FindValueFault = () => undefined;

/** The keys without a name in brackets, and what their values may be. */
const PLAIN_KEYS: ReadonlyMap<string, FindValueFault> = new Map([
  ["source.ip", findIpBlockFault],
  ["remote.ip", findIpBlockFault],
  ["source.namespace", ANY_VALUE],
  ["source.principal", ANY_VALUE],
  ["source.serviceAccount", findServiceAccountFault],
  ["source.trustDomain", findTrustDomainFault],
  ["request.auth.principal", ANY_VALUE],
  ["request.auth.audiences", ANY_VALUE],
  ["request.auth.presenter", ANY_VALUE],
  ["destination.ip", findIpBlockFault],
  ["destination.port", findPortFault],
  ["connection.sni", ANY_VALUE],
]);

/** Keys of Istio's first authorization, and what has taken their place. */
const RETIRED: readonly (readonly [RegExp, string])[] = [
  [/^destination\.labels/, "select the workloads with `selector`"],
  [/^destination\.(?:name|user)$/, "select the workloads with `selector`"],
  [/^destination\.namespace$/, "a policy applies to its own namespace"],
  [/^experimental\./, "Entente has no filters of Envoy whose metadata it could read"],
];

/** Keys that speak of the client's identity or of its token, which are not known yet when a CUSTOM policy is decided. */
const IDENTITY = /^(?:source\.(?:namespace|serviceAccount|trustDomain|principal)$|request\.auth\.)/;

/** How the values of a key are checked, or what is wrong with the key. */
export function checkConditionKey(key: string): { readonly findFault: FindValueFault } | { readonly fault: string } {
  const findFault = PLAIN_KEYS.get(key) ?? checkNamedKey(key);
  if (findFault === undefined) return { fault: `is ${quote(key)}: ${fixOf(key)}` };
  return typeof findFault === "string" ? { fault: findFault } : { findFault };
}

export function isIdentityKey(key: string): boolean {
  return IDENTITY.test(key);
}

/** `request.headers[NAME]`, `request.auth.claims[NAME]` and `request.auth.claims[NAME][NAME]`. */
function checkNamedKey(key: string): FindValueFault | string | undefined {
  if (/^request\.auth\.claims(?:\[[^[\]]+\])+$/.test(key)) return ANY_VALUE;
  const [, header] = /^request\.headers\[([^[\]]+)\]$/.exec(key) ?? [];
  return header === undefined ? undefined : (checkHeader(header) ?? ANY_VALUE);
}

function checkHeader(name: string): string | undefined {
  const operation = PSEUDO_HEADERS.get(name.toLowerCase());
  if (operation !== undefined) return `names the pseudo-header ${name}: use \`${operation}\` of \`to.operation\``;
  return findFieldNameFault(name);
}

const PSEUDO_HEADERS: ReadonlyMap<string, string> = new Map([
  [":authority", "hosts"],
  [":path", "paths"],
  [":method", "methods"],
]);

function fixOf(key: string): string {
  const [, fix] = RETIRED.find(([pattern]) => pattern.test(key)) ?? [];
  if (fix !== undefined) return `this key is not supported, ${fix}`;
  if (/^request\.headers/.test(key)) return "a header's key is `request.headers[NAME]`";
  if (/^request\.auth\.claims/.test(key)) return "a claim's key is `request.auth.claims[NAME]`";
  return `no condition has this key: use ${[...PLAIN_KEYS.keys()].join(", ")}, request.headers[NAME] or request.auth.claims[NAME]`;
}
