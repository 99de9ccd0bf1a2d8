import type { ConnectionFacts, RequestFacts } from "../conditions/attributes.ts";
import { type CompiledRule, matchesRequest, type OpenRule, openRule } from "./compile-rule.ts";
import { headLengthOf, keysOfConnection, keysOfRequest } from "./rule-keys.ts";

type Phase = "connection" | "request";

/** Places of rules, in ascending order, by key. */
type Index = Map<string, number[]>;

/** A way to find a rule: by one of these keys, which a connection or a request has. */
interface Route {
  readonly phase: Phase;
  readonly keys: readonly string[];
}

/**
 * Rules of which the first that matches counts, in the order of their ids. Each is found by the keys that it shares with
 * the fewest others, if it has any: so the cost depends on the rules that could match, not on how many there are.
 */
export class RuleGroup {
  readonly #rules: readonly CompiledRule[];
  readonly #indexes: Readonly<Record<Phase, Index>> = { connection: new Map(), request: new Map() };
  readonly #headLengths = new Set<number>();
  /** Rules that are tried on every connection. */
  readonly #others: number[] = [];

  constructor(rules: readonly CompiledRule[]) {
    this.#rules = rules.toSorted((left, right) => (left.id < right.id ? -1 : 1));
    const routes = this.#rules.map(findRoutes);
    const population = countKeys(routes.flat());
    for (const [place, candidates] of routes.entries()) this.#add(place, bestRoute(candidates, population));
  }

  #add(place: number, route: Route | undefined): void {
    if (route === undefined) {
      this.#others.push(place);
      return;
    }
    const index = this.#indexes[route.phase];
    for (const key of new Set(route.keys)) {
      const places = index.get(key) ?? [];
      index.set(key, places);
      places.push(place);
      const length = headLengthOf(key);
      if (length !== undefined && route.phase === "request") this.#headLengths.add(length);
    }
  }

  /** Decides for one connection what does not depend on its requests. */
  open(connection: ConnectionFacts): OpenRuleGroup {
    const indexed = keysOfConnection(connection).flatMap((key) => this.#indexes.connection.get(key) ?? []);
    const open: PlacedRule[] = [];
    let certain: number | undefined;
    for (const place of sortPlaces([...indexed, ...this.#others])) {
      const rule = this.#open(place, connection);
      if (rule?.length === 0) {
        certain = place;
        break;
      }
      if (rule !== undefined) open.push({ place, rule });
    }
    const findMatch = (request: RequestFacts): string | undefined => {
      const found = open.find(({ rule }) => matchesRequest(rule, request))?.place ?? certain;
      return this.#idOf(this.#searchRequestIndex(connection, request, found));
    };
    return { certain: this.#idOf(certain), findMatch };
  }

  #idOf(place: number | undefined): string | undefined {
    return place === undefined ? undefined : this.#rules[place]?.id;
  }

  #open(place: number, connection: ConnectionFacts): OpenRule | undefined {
    const rule = this.#rules[place];
    return rule === undefined ? undefined : openRule(rule, connection);
  }

  /** The first place before `found`, if there is one, else `found`. */
  #searchRequestIndex(
    connection: ConnectionFacts,
    request: RequestFacts,
    found: number | undefined,
  ): number | undefined {
    const index = this.#indexes.request;
    if (index.size === 0) return found;
    let first = found;
    for (const key of keysOfRequest(request, this.#headLengths)) {
      for (const place of index.get(key) ?? []) {
        if (first !== undefined && place >= first) break;
        const rule = this.#open(place, connection);
        if (rule !== undefined && matchesRequest(rule, request)) first = place;
      }
    }
    return first;
  }
}

/** The rules of a group on one connection. */
export interface OpenRuleGroup {
  /** The first rule that matches whatever is requested; the only one that can match a stream. */
  readonly certain: string | undefined;
  /** The id of the first rule that matches. */
  readonly findMatch: (request: RequestFacts) => string | undefined;
}

interface PlacedRule {
  readonly place: number;
  readonly rule: OpenRule;
}

function sortPlaces(places: readonly number[]): readonly number[] {
  return [...new Set(places)].sort((left, right) => left - right);
}

function findRoutes({ groups }: CompiledRule): readonly Route[] {
  const routes: Route[] = [];
  for (const clauses of groups) {
    for (const phase of ["connection", "request"] as const) {
      const keys = clauses.map((clause) => (phase === "connection" ? clause.connectionKeys : clause.requestKeys));
      const known = keys.filter((ofClause) => ofClause !== undefined);
      if (known.length === keys.length) routes.push({ phase, keys: known.flat() });
    }
  }
  return routes;
}

function countKeys(routes: readonly Route[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const key of routes.flatMap(({ keys }) => keys)) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

function bestRoute(routes: readonly Route[], population: ReadonlyMap<string, number>): Route | undefined {
  const costOf = ({ keys }: Route): number =>
    keys.reduce((highest, key) => Math.max(highest, population.get(key) ?? 0), 0);
  return routes.toSorted((left, right) => costOf(left) - costOf(right))[0];
}
