import type { SpecResult } from "./parse-report.ts";

/** A test of h2spec that our engine does not pass, on purpose. */
export interface AcceptedDeviation {
  /** The section of the test, as h2spec's report names it. */
  readonly section: string;
  readonly test: string;
  readonly reason: string;
}

const NO_PRIORITIES =
  "RFC 9113 §5.3.2 deprecates priorities: they are parsed, their length is checked, and they are ignored.";

const LATE_FRAMES =
  "RFC 9113 §5.1 no longer demands an error (MAY): frames on a stream that its sender has reset are ignored, and " +
  "counted by the flood guard.";

export const ACCEPTED_DEVIATIONS: readonly AcceptedDeviation[] = [
  { section: "http2/5.1", test: "closed: Sends a DATA frame after sending RST_STREAM frame", reason: LATE_FRAMES },
  { section: "http2/5.1", test: "closed: Sends a HEADERS frame after sending RST_STREAM frame", reason: LATE_FRAMES },
  { section: "http2/5.3.1", test: "Sends HEADERS frame that depend on itself", reason: NO_PRIORITIES },
  { section: "http2/5.3.1", test: "Sends PRIORITY frame that depend on itself", reason: NO_PRIORITIES },
];

/** How a run differs from what is accepted: failures without a reason, and reasons that no longer apply. */
export interface SpecVerdict {
  readonly passed: number;
  readonly unexpected: readonly string[];
  readonly outdated: readonly string[];
}

/** Compares the results of a run with the accepted deviations. A skipped test counts as a failure. */
export function judgeResults(
  results: readonly SpecResult[],
  accepted: readonly AcceptedDeviation[] = ACCEPTED_DEVIATIONS,
): SpecVerdict {
  const failed = results.filter(({ kind }) => kind !== "passed");
  const isSame = (one: SpecResult, other: AcceptedDeviation): boolean =>
    one.section === other.section && one.test === other.test;
  return {
    passed: results.length - failed.length,
    unexpected: failed
      .filter((result) => !accepted.some((deviation) => isSame(result, deviation)))
      .map(({ section, test, kind }) => `${section} ${test} (${kind})`),
    outdated: accepted
      .filter((deviation) => !failed.some((result) => isSame(result, deviation)))
      .map(({ section, test }) => `${section} ${test}`),
  };
}
