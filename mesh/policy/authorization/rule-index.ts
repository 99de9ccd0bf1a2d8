import type { ConnectionFacts, RequestFacts } from "../conditions/attributes.ts";
import type { CompiledRule } from "./compile-rule.ts";
import type { KeyKind, RuleKey } from "./rule-keys.ts";

/** The places of rules in a list, in ascending order. */
type Places = readonly number[];

/** Keys of which a connection, or a request, has one if the rule matches it. */
interface Route {
  readonly phase: "connection" | "request";
  readonly keys: readonly RuleKey[];
}

/** Up to here it costs less to try each rule than to look for those that could match. */
const MAX_UNINDEXED = 16;

/** Finds the rules that could match by their keys, each rule by those that it shares with the fewest others. */
export class RuleIndex {
  /** Rules that no key finds. */
  readonly others: Places;
  readonly hasRequestKeys: boolean;
  readonly #places = createPlaces();
  readonly #headLengths: readonly number[];

  constructor(rules: readonly CompiledRule[]) {
    const candidates = rules.map((rule) => (rules.length > MAX_UNINDEXED ? findRoutes(rule) : []));
    const population = countKeys(candidates.flat());
    const routes = candidates.map((ofRule) => chooseRoute(ofRule, population));
    for (const [place, route] of routes.entries()) for (const key of route?.keys ?? []) this.#add(key, place);
    this.others = [...routes.keys()].filter((place) => routes[place] === undefined);
    this.hasRequestKeys = routes.some((route) => route?.phase === "request");
    this.#headLengths = [...new Set([...this.#places.head.keys()].map(({ length }) => length))];
  }

  /** A rule may have a key twice. */
  #add({ kind, value }: RuleKey, place: number): void {
    const index = this.#places[kind];
    const places = index.get(value) ?? [];
    if (places.length === 0) index.set(value, places);
    if (places.at(-1) !== place) places.push(place);
  }

  findByConnection({ peer, port }: ConnectionFacts): readonly Places[] {
    const { principal, account, namespace } = this.#places;
    const byPort = this.#places.port.get(port) ?? NONE;
    if (peer === undefined) return [byPort];
    return [
      byPort,
      principal.get(peer.principal) ?? NONE,
      account.get(peer.serviceAccount) ?? NONE,
      namespace.get(peer.namespace) ?? NONE,
    ];
  }

  findByRequest({ path, host }: RequestFacts): readonly Places[] {
    const found = [this.#places.path.get(path) ?? NONE, this.#places.host.get(host) ?? NONE];
    for (const length of this.#headLengths) {
      const places = length > path.length ? undefined : this.#places.head.get(path.slice(0, length));
      if (places !== undefined) found.push(places);
    }
    return found;
  }
}

const NONE: Places = [];

function createPlaces(): Readonly<Record<KeyKind, Map<string, number[]>>> {
  return {
    ...{ principal: new Map(), account: new Map(), namespace: new Map(), port: new Map() },
    ...{ path: new Map(), head: new Map(), host: new Map() },
  };
}

/** Each clause of a group must have keys, or the rule could match without any of them. */
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

type Population = ReadonlyMap<string, number>;

function countKeys(routes: readonly Route[]): Population {
  const counts = new Map<string, number>();
  for (const { keys } of routes) {
    for (const key of keys) counts.set(nameOf(key), (counts.get(nameOf(key)) ?? 0) + 1);
  }
  return counts;
}

function nameOf({ kind, value }: RuleKey): string {
  return `${kind} ${value}`;
}

function chooseRoute(routes: readonly Route[], population: Population): Route | undefined {
  const costOf = ({ keys }: Route): number =>
    keys.reduce((highest, key) => Math.max(highest, population.get(nameOf(key)) ?? 0), 0);
  return routes.toSorted((left, right) => costOf(left) - costOf(right))[0];
}
