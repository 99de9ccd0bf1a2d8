import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { PLAIN } from "../text/palette.ts";
import { type CheckGroup, failed, isHealthy, ok } from "./check.ts";
import { formatChecks } from "./format-checks.ts";
import { runChecks } from "./run-checks.ts";

const { signal } = new AbortController();

describe("making checks", () => {
  const bad: CheckGroup = { name: "g", checks: [{ title: "t", outcome: failed("m", "h") }] };
  const good: CheckGroup = { name: "g", checks: [{ title: "t", outcome: ok() }] };

  it.each([
    { name: "once without a time", waitMs: 0, rounds: [bad, good], result: bad, made: 1 },
    { name: "until none fails", waitMs: 60_000, rounds: [bad, bad, good], result: good, made: 3 },
    { name: "until the time is over", waitMs: 3000, rounds: [bad, bad, bad, bad, bad], result: bad, made: 3 },
  ])("happens $name", async ({ waitMs, rounds, result, made }) => {
    const clock = new FakeClock();
    let count = 0;
    const groups = await runChecks({
      evaluate: async () => [rounds[count++] ?? bad],
      waitMs,
      clock,
      pause: async (delayMs) => clock.advance(delayMs),
      signal,
    });
    expect([groups, count]).toEqual([[result], made]);
  });

  it("prints every check, or only what is not in order, with the hint", () => {
    const groups = [good, bad];
    expect(formatChecks(groups, PLAIN, "everything")).toBe(
      "g\n  ok       t\n\ng\n  failed   t: m\n           h\n\n1 ok, 0 warnings, 1 failed, 0 skipped.\n",
    );
    expect(formatChecks(groups, PLAIN, "short")).toBe(
      "g\n  failed   t: m\n           h\n\n1 ok, 0 warnings, 1 failed, 0 skipped.\n",
    );
    expect(isHealthy(groups)).toBe(false);
  });
});
