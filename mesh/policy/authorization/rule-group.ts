import type { ConnectionFacts, RequestFacts } from "../conditions/attributes.ts";
import { type CompiledRule, matchesRequest, type OpenRule, openFixedRule, openRule } from "./compile-rule.ts";
import { RuleIndex } from "./rule-index.ts";

/** Behind all rules. */
const NO_PLACE = Number.MAX_SAFE_INTEGER;

/** A rule on one connection, at its place among all. */
interface PlacedRule {
  readonly place: number;
  readonly rule: OpenRule;
}

/** The rules of a group on one connection. */
export interface OpenRuleGroup {
  /** The first rule that matches whatever is requested; the only one that can match a stream. */
  readonly certain: string | undefined;
  /** The id of the first rule that matches. */
  readonly findMatch: (request: RequestFacts) => string | undefined;
}

/** Rules of which the first that matches counts, in the order of their ids. */
export class RuleGroup {
  readonly #rules: readonly CompiledRule[];
  readonly #index: RuleIndex;
  /** Rules without conditions on the connection, which are the same on all of them. */
  readonly #fixed: readonly PlacedRule[];
  /** The first of them that matches everything. */
  readonly #certain: number;
  /** Rules that are tried on every connection. */
  readonly #others: readonly number[];

  constructor(rules: readonly CompiledRule[]) {
    this.#rules = rules.toSorted((left, right) => (left.id < right.id ? -1 : 1));
    this.#index = new RuleIndex(this.#rules);
    const others = this.#index.others.map((place) => ({ place, rule: openFixedRule(this.#rules[place]) }));
    this.#fixed = others.flatMap(({ place, rule }) => (rule === undefined ? [] : [{ place, rule }]));
    this.#certain = placeOfCertain(this.#fixed);
    this.#others = others.flatMap(({ place, rule }) => (rule === undefined ? [place] : []));
  }

  /** Decides for one connection what does not depend on its requests. */
  open(connection: ConnectionFacts): OpenRuleGroup {
    const places = [...this.#index.findByConnection(connection).flat(), ...this.#others];
    const open: PlacedRule[] = [];
    for (const place of new Set(places.sort((left, right) => left - right))) {
      const rule = this.#open(place, connection);
      if (rule !== undefined) open.push({ place, rule });
      if (rule?.length === 0) break;
    }
    const certain = Math.min(placeOfCertain(open), this.#certain);
    return {
      certain: this.#idOf(certain),
      findMatch: (request) => {
        const first = findFirst(this.#fixed, request, findFirst(open, request, NO_PLACE));
        return this.#idOf(this.#index.hasRequestKeys ? this.#searchIndex({ connection, request, first }) : first);
      },
    };
  }

  #idOf(place: number): string | undefined {
    return this.#rules[place]?.id;
  }

  #open(place: number, connection: ConnectionFacts): OpenRule | undefined {
    const rule = this.#rules[place];
    return rule === undefined ? undefined : openRule(rule, connection);
  }

  /** The first match, if there is one before `first`. */
  #searchIndex(input: {
    readonly connection: ConnectionFacts;
    readonly request: RequestFacts;
    readonly first: number;
  }): number {
    let { first } = input;
    for (const places of this.#index.findByRequest(input.request)) {
      for (const place of places) {
        if (place >= first) break;
        const rule = this.#open(place, input.connection);
        if (rule !== undefined && matchesRequest(rule, input.request)) first = place;
      }
    }
    return first;
  }
}

/** The first place, before a limit, of a rule that matches a request. */
function findFirst(rules: readonly PlacedRule[], request: RequestFacts, limit: number): number {
  for (const { place, rule } of rules) {
    if (place >= limit) break;
    if (matchesRequest(rule, request)) return place;
  }
  return limit;
}

function placeOfCertain(rules: readonly PlacedRule[]): number {
  return rules.find(({ rule }) => rule.length === 0)?.place ?? NO_PLACE;
}
