import { UsageError } from "../usage-error.ts";

type Claim = string | readonly string[] | Claims;
interface Claims {
  readonly [name: string]: Claim;
}

/**
 * Parses `NAME=VALUE`, as often as a claim has values, and `NAME[INNER]=VALUE` for claims inside of claims, as
 * AuthorizationPolicies name them.
 */
export function parseClaims(texts: readonly string[]): Claims {
  return texts.reduce<Claims>((claims, text) => {
    const groups = /^(?<name>[^=[\]]+)(?<inner>(?:\[[^=[\]]+\])*)=(?<value>.+)$/s.exec(text)?.groups;
    if (groups === undefined)
      throw new UsageError(`--token-claim must be NAME=VALUE or NAME[INNER]=VALUE, got "${text}"`);
    const inner = [...(groups["inner"] ?? "").matchAll(/\[([^[\]]+)\]/g)].map(([, name = ""]) => name);
    return addClaim(claims, { path: [groups["name"] ?? "", ...inner], value: groups["value"] ?? "", text });
  }, {});
}

interface GivenClaim {
  readonly path: readonly string[];
  readonly value: string;
  /** As it was given. */
  readonly text: string;
}

function addClaim(claims: Claims, { path, value, text }: GivenClaim): Claims {
  const [name = "", ...inner] = path;
  const before = Object.hasOwn(claims, name) ? claims[name] : undefined;
  const isObject = typeof before === "object" && !isList(before);
  if (before !== undefined && isObject !== inner.length > 0) {
    throw new UsageError(`--token-claim ${text} contradicts another one: ${name} is either text or has claims inside`);
  }
  if (inner.length > 0) {
    const after = addClaim(isObject ? before : {}, { path: inner, value, text });
    return withClaim(claims, name, after);
  }
  return withClaim(claims, name, isObject || before === undefined ? value : [...[before].flat(), value]);
}

/** `__proto__` is a claim like others. */
function withClaim(claims: Claims, name: string, claim: Claim): Claims {
  return Object.fromEntries([...Object.entries(claims).filter(([other]) => other !== name), [name, claim]]);
}

function isList(claim: Claim): claim is readonly string[] {
  return Array.isArray(claim);
}
