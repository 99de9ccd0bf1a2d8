import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { readTestReport } from "./test-report.ts";

const passed = { status: "passed", fullName: "good", failureMessages: [] };
const failed = (message: string) => ({ status: "failed", fullName: "part bad", failureMessages: [message] });

function reportOf(file: object, [numPassedTests, numFailedTests, numPendingTests]: readonly number[]): string {
  const testResults = [{ name: join(process.cwd(), "a/b.test.ts"), status: "passed", message: "", ...file }];
  return JSON.stringify({ numPassedTests, numFailedTests, numPendingTests, testResults });
}

describe("the report of the tests", () => {
  it.each([
    {
      name: "tests that passed",
      json: reportOf({ assertionResults: [passed] }, [3, 0, 2]),
      ...{ status: 0, totals: [3, 0, 2], failures: [] },
    },
    {
      name: "a failed test, without colours",
      json: reportOf(
        {
          status: "failed",
          assertionResults: [
            passed,
            failed("\u001b[31mexpected 1\nto be 2\u001b[39m\n at b.test.ts:1:2\n at /node_modules/vitest:3:4"),
          ],
        },
        [1, 1, 0],
      ),
      ...{
        status: 1,
        totals: [1, 1, 0],
        failures: ["a/b.test.ts > part bad\n    expected 1\n    to be 2\n     at b.test.ts:1:2"],
      },
    },
    {
      name: "a file that cannot be loaded",
      json: reportOf({ status: "failed", message: "no such module", assertionResults: [] }, [4, 0, 0]),
      ...{ status: 1, totals: [4, 1, 0], failures: ["a/b.test.ts\n    no such module"] },
    },
    {
      name: "an error outside of the tests",
      json: reportOf({ assertionResults: [passed] }, [1, 0, 0]),
      ...{ status: 1, totals: [1, 1, 0], failures: [] },
    },
    ...[undefined, "{", "{}"].map((json) => ({
      name: `no report: ${json}`,
      json,
      ...{ status: 1, totals: [0, 1, 0], failures: ["vitest ended with status 1 and without a report"] },
    })),
  ])("$name", ({ json, status, totals: [good, bad, skipped], failures }) => {
    expect(readTestReport(json, status)).toEqual({ totals: { passed: good, failed: bad, skipped }, failures });
  });

  it("shows the beginning of a long reason", () => {
    const json = reportOf({ status: "failed", assertionResults: [failed("x".repeat(100_000))] }, [0, 1, 0]);
    const [failure = ""] = readTestReport(json, 1).failures;
    expect(failure).toMatch(/^a\/b\.test\.ts > part bad\n {4}x+ …$/);
    expect(failure.length).toBeLessThan(2000);
  });
});
