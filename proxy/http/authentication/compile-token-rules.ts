import type { KeyedRule } from "../../../mesh/policy/request-authentication/judge-token.ts";
import { parseKeySet } from "../../../mesh/policy/request-authentication/key-set.ts";
import { outputNames } from "../../../mesh/policy/request-authentication/output-fields.ts";
import { locationsOf, type TokenLocation } from "../../../mesh/policy/request-authentication/token-locations.ts";
import type { TokenRule } from "../../../mesh/policy/request-authentication/token-rule.ts";
import { removeOutputs, type TokenEdits } from "./token-edits.ts";

/** The token rules of a workload, prepared for its requests. */
export interface CompiledTokenRules {
  readonly locations: readonly CompiledLocation[];
  readonly outputNames: ReadonlySet<string>;
  /** The edits of a request without a token. */
  readonly withoutToken: TokenEdits;
  /** Query parameters that may be tokens. */
  readonly parameters: ReadonlySet<string>;
}

export interface CompiledLocation {
  readonly location: TokenLocation;
  /** A token that is there alone. */
  readonly place: TokenPlace;
}

/** One location, or several that have the same token. */
export interface TokenPlace {
  /** Identifies it among the rules of the workload. */
  readonly id: string;
  /** The rules that look at each of the locations. */
  readonly rules: readonly KeyedRule[];
  readonly locations: readonly TokenLocation[];
}

export function compileTokenRules(rules: readonly TokenRule[]): CompiledTokenRules {
  const keyed = new Map(rules.map((rule): [TokenRule, KeyedRule] => [rule, { rule, keys: keysOf(rule) }]));
  const locations = locationsOf(rules).map(({ location, rules: searching }, index) => {
    const found = searching.flatMap((rule) => keyed.get(rule) ?? []);
    return { location, place: { id: String(index), rules: found, locations: [location] } };
  });
  const names = outputNames(rules);
  const parameters = locations.flatMap(({ location }) => (location.kind === "parameter" ? [location.name] : []));
  return { locations, outputNames: names, withoutToken: removeOutputs(names), parameters: new Set(parameters) };
}

/** The place of a token that is at two of them. */
export function joinPlaces(one: TokenPlace | undefined, other: TokenPlace): TokenPlace {
  if (one === undefined || one === other) return other;
  return {
    id: `${one.id},${other.id}`,
    rules: one.rules.filter((rule) => other.rules.includes(rule)),
    locations: [...one.locations, ...other.locations],
  };
}

function keysOf({ jwks }: TokenRule): KeyedRule["keys"] {
  return jwks === undefined ? undefined : (parseKeySet(jwks) ?? []);
}
