import { describe, expect, it } from "vitest";
import { countFindings, formatCheck, formatLogTails, formatTotals } from "./demo-report.ts";
import { createTextStyle } from "./text-style.ts";

const PLAIN = createTextStyle({ isTerminal: false, noColor: undefined });
const HELD = { claim: "it answers", passed: true, expected: "200", seen: "200 hello" };
const FAILED = { claim: "it refuses", passed: false, expected: "a reset", seen: "an answer" };
const CHECK = { letter: "a", title: "Gateway" };

describe("the demo's report", () => {
  it("shows for each claim what was seen, and what was expected where it failed", () => {
    expect(formatCheck(CHECK, { findings: [HELD, FAILED] }, PLAIN).split("\n")).toEqual([
      "a. Gateway",
      " ✓ it answers",
      "   200 hello",
      " ✗ it refuses",
      "   expected  a reset",
      "   seen      an answer",
      "",
      "",
    ]);
  });

  it("shows the table and the notes of a check", () => {
    const text = formatCheck(CHECK, { findings: [HELD], table: { header: ["x"], rows: [["1"]] }, notes: ["n"] }, PLAIN);
    expect(text).toContain("\n\n   x\n   ─\n   1\n   n\n");
  });

  it("uses colour where it is wanted, and never in the last line", () => {
    const coloured = createTextStyle({ isTerminal: true, noColor: undefined });
    expect(formatCheck(CHECK, { findings: [FAILED] }, coloured)).toContain("\u001b[31m✗");
    expect(formatTotals({ passed: 3, failed: 0 })).toBe("demo: 3 passed, 0 failed\n");
  });

  it("shows whose log it is", () => {
    expect(formatLogTails([{ name: "hello", lines: ["{}"] }], PLAIN)).toBe("   log of hello:\n   {}\n\n");
  });

  it.each([
    { name: "nothing", results: [], totals: { passed: 0, failed: 0 } },
    {
      name: "both kinds",
      results: [{ findings: [HELD] }, { findings: [FAILED, HELD] }],
      totals: { passed: 2, failed: 1 },
    },
  ])("counts the claims of $name", ({ results, totals }) => {
    expect(countFindings(results)).toEqual(totals);
  });
});
