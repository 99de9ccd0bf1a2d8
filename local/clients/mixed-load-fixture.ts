/** For tests: what the mixed load is made of. */

/** The ways of asking that take turns; `slow` readers go along with all the others. */
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
  /** How often each way takes its turn. */
  readonly turns: number;
  readonly atOnce: number;
  /** They read nothing of their responses before all others are done. */
  readonly slowReaders: number;
}

export interface MixedReport {
  /** How many went as they should. */
  readonly right: Readonly<Record<Turn | "slow", number>>;
  /** What went wrong with the others. */
  readonly wrong: readonly string[];
}

/** All requests of a job. */
export function countRequests({ turns, slowReaders }: MixedJob): number {
  return turns * TURNS.length + slowReaders;
}

/** The report when nothing went wrong. */
export function expectedReport({ turns, slowReaders }: MixedJob): MixedReport {
  const each = Object.fromEntries(TURNS.map((turn) => [turn, turns])) as Record<Turn, number>;
  return { right: { ...each, slow: slowReaders }, wrong: [] };
}
