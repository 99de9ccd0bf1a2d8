import { relative } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { z } from "zod";

/** How many checks had which end. */
export interface Totals {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface TestReport {
  readonly totals: Totals;
  /** Of each failed test: its file and name, and the beginning of the reason. */
  readonly failures: readonly string[];
}

const SCHEMA = z.object({
  numPassedTests: z.number(),
  numFailedTests: z.number(),
  numPendingTests: z.number(),
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().default(""),
      assertionResults: z.array(
        z.object({ status: z.string(), fullName: z.string(), failureMessages: z.array(z.string()).default([]) }),
      ),
    }),
  ),
});

const REASON_CHARACTERS = 1500;
/** A line of a stack trace. */
const IS_CALL = /^\s+at /;

/**
 * Reads Vitest's report. A run that failed outside of any test (a file that cannot be loaded, a report that was not
 * written) counts as one failure.
 * @param json of Vitest's reporter `json`; absent: it wrote none
 * @param status of Vitest's process
 */
export function readTestReport(json: string | undefined, status: number | null): TestReport {
  const report = json === undefined ? undefined : SCHEMA.safeParse(parse(json)).data;
  if (report === undefined) {
    const reason = `vitest ended with status ${status} and without a report`;
    return { totals: { passed: 0, failed: 1, skipped: 0 }, failures: [reason] };
  }
  const { numPassedTests: passed, numFailedTests: failed, numPendingTests: skipped } = report;
  return {
    totals: { passed, failed: failed === 0 && status !== 0 ? 1 : failed, skipped },
    failures: report.testResults.flatMap(findFailures),
  };
}

function findFailures(file: z.infer<typeof SCHEMA>["testResults"][number]): readonly string[] {
  const path = relative("", file.name);
  const failed = file.assertionResults.filter(({ status }) => status === "failed");
  if (failed.length > 0) {
    return failed.map(({ fullName, failureMessages }) => format(`${path} > ${fullName}`, failureMessages.join("\n")));
  }
  return file.status === "failed" ? [format(path, file.message)] : [];
}

function format(name: string, message: string): string {
  const lines = stripVTControlCharacters(message).trim().split("\n");
  const reason = lines.filter((line) => !(IS_CALL.test(line) && line.includes("node_modules"))).join("\n");
  const shown = reason.length > REASON_CHARACTERS ? `${reason.slice(0, REASON_CHARACTERS)} …` : reason;
  return [name, ...shown.split("\n")].join("\n    ");
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}
