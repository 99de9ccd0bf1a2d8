import type { Random } from "../../../mesh/runtime.ts";
import type { UpstreamConnection } from "./upstream-connection.ts";

/** One endpoint of a pool: its idle connections, and how it does. */
export interface EndpointState {
  /** `ip:port`. */
  readonly key: string;
  readonly ip: string;
  readonly port: number;
  /** The last one put back is the first one taken: the others may end of idleness. */
  readonly idle: UpstreamConnection[];
  /** Requests under way and connections being dialled. */
  active: number;
  /** Connects that failed in a row. */
  failures: number;
  /** Not chosen before this time while there is another, by the pool's clock. */
  avoidedUntilMs: number;
  /** The destination has it no more: nothing is kept for it. */
  isGone: boolean;
}

export interface ChooseOptions {
  readonly nowMs: number;
  readonly random: Random;
  /** Keys that this request has tried in vain. */
  readonly tried: ReadonlySet<string> | undefined;
}

/** Looking at every endpoint of a large service for each request would cost more than it gains. */
const SCANNED = 16;

/**
 * Least requests: the endpoint with the fewest under way, ties broken by chance; of more than 16 a random sample of
 * that size is compared. One that could not be reached of late is taken only when there is no other at all.
 */
export function chooseEndpoint(endpoints: readonly EndpointState[], options: ChooseOptions): EndpointState | undefined {
  if (endpoints.length === 1) {
    const [only] = endpoints;
    return only !== undefined && options.tried?.has(only.key) === true ? undefined : only;
  }
  const start = Math.floor(options.random() * endpoints.length);
  let best: EndpointState | undefined;
  let bestScore = Number.POSITIVE_INFINITY;
  let seen = 0;
  for (let step = 0; step < endpoints.length && (seen < SCANNED || bestScore >= AVOIDED); step += 1) {
    const endpoint = endpoints[(start + step) % endpoints.length];
    if (endpoint === undefined || options.tried?.has(endpoint.key) === true) continue;
    seen += 1;
    const score = endpoint.active + (endpoint.avoidedUntilMs > options.nowMs ? AVOIDED : 0);
    if (score >= bestScore) continue;
    best = endpoint;
    bestScore = score;
  }
  return best;
}

/** More than any number of requests under way. */
const AVOIDED = 1e9;

const FIRST_PENALTY_MS = 1000;
const LONGEST_PENALTY_MS = 30_000;

/** How long an endpoint is avoided after so many failed connects in a row. */
export function penaltyMs(failures: number): number {
  return Math.min(FIRST_PENALTY_MS * 2 ** (failures - 1), LONGEST_PENALTY_MS);
}
