/** For tests: the kinds of requests in the mixed load. */

/** The kinds that alternate; `slow` readers run alongside all others. */
export const TURNS = [
  "get",
  "post",
  "head",
  "chunked post",
  "chunked response",
  "closing response",
  "get on its own connection",
  "post on its own connection",
  "aborted in a long response",
  "aborted in a response that stalls",
] as const;

export type Turn = (typeof TURNS)[number];

export interface MixedJob {
  readonly origin: string;
  /** How often each kind is used. */
  readonly turns: number;
  readonly atOnce: number;
  /** They read nothing of their responses before all others are done. */
  readonly slowReaders: number;
}

export interface MixedReport {
  /** How many requests succeeded. */
  readonly right: Readonly<Record<Turn | "slow", number>>;
  /** The errors of the others. */
  readonly wrong: readonly string[];
}

/** All requests of a job. */
export function countRequests({ turns, slowReaders }: MixedJob): number {
  return turns * TURNS.length + slowReaders;
}

/** The report if there were no errors. */
export function expectedReport({ turns, slowReaders }: MixedJob): MixedReport {
  const each = Object.fromEntries(TURNS.map((turn) => [turn, turns])) as Record<Turn, number>;
  return { right: { ...each, slow: slowReaders }, wrong: [] };
}
