import { describe, expect, it } from "vitest";
import { type ControlState, EMPTY_CONTROL_STATE } from "./control-state.ts";
import { revocationOf, serialNumbersOf } from "./control-store-contract-fixture.ts";
import { isToBeWrittenBack, LAST_REVISION, MAX_REVISIONS, uniteStates, withNextRevision } from "./state-revisions.ts";

const at = (nowMs: number, random = 0) => ({ clock: { now: () => nowMs }, random: () => random });

/** @param serialNumbers that are revoked */
function state(revisions: readonly number[] | undefined, ...serialNumbers: readonly string[]): ControlState {
  return { revocations: serialNumbers.map(revocationOf), rotation: undefined, ...(revisions && { revisions }) };
}

describe("the next revision", () => {
  it.each([
    { name: "is the time", before: [1000, 0], nowMs: 5000, revisions: [5000, 1000, 0] },
    { name: "is in whole milliseconds", before: [1000, 0], nowMs: 5000.7, revisions: [5000, 1000, 0] },
    {
      name: "is higher than the last one where the clock is behind",
      before: [9000],
      nowMs: 10,
      revisions: [9001, 9000],
    },
    { name: "is positive with a clock before 1970", before: [0], nowMs: -5, revisions: [1, 0] },
    {
      name: "of an edit without revisions begins a list of which the start is not known",
      before: undefined,
      nowMs: 7,
      revisions: [7],
    },
    { name: "stays where there is none after it", before: [LAST_REVISION, 3], nowMs: 7, revisions: [LAST_REVISION, 3] },
    { name: "stays in the range with a clock that is not", before: [3], nowMs: 1e300, revisions: [LAST_REVISION, 3] },
  ])("$name", ({ before, nowMs, revisions }) => {
    const stored = state(before);
    expect(withNextRevision(stored, stored, at(nowMs)).revisions).toEqual(revisions);
  });

  it("differs where the clock is behind and one backup is changed twice", () => {
    const backup = state([9000]);
    const changes = [0.1, 0.7].map((random) => withNextRevision(backup, backup, at(10, random)).revisions?.[0]);
    expect(changes).toEqual([9101, 9701]);
  });

  it("keeps the last ones alone", () => {
    let last = EMPTY_CONTROL_STATE;
    for (let nowMs = 1; nowMs <= 100; nowMs += 1) last = withNextRevision(last, last, at(nowMs));
    expect(last.revisions).toEqual(Array.from({ length: MAX_REVISIONS }, (_, index) => 100 - index));
  });

  it("of two states that were united follows both, as far as both are known", () => {
    const [backup, inForce] = [state([50, 40, 30]), state([100, 90, 35])];
    expect(withNextRevision(backup, inForce, at(200)).revisions).toEqual([200, 100, 90, 50, 40, 35]);
  });
});

describe("what is stored is replaced by what is in force", () => {
  it.each([
    { name: "if it is earlier", stored: [50, 40], inForce: [100, 50, 40], isReplaced: true },
    {
      name: "if it is an earlier one that was changed since",
      stored: [200, 50, 40],
      inForce: [100, 50, 40],
      isReplaced: true,
    },
    { name: "if it was deleted and made anew", stored: [200, 0], inForce: [100, 0], isReplaced: true },
    { name: "not if it follows", stored: [200, 100, 50], inForce: [100, 50], isReplaced: false },
    { name: "not if it is the same, as after an edit", stored: [100, 50], inForce: [100, 50], isReplaced: false },
    { name: "not if it has none, as after an edit", stored: undefined, inForce: [100, 50], isReplaced: false },
    { name: "not if that has none, as of an earlier version", stored: [50], inForce: undefined, isReplaced: false },
    {
      name: "not if it is later and it is not known of what it was made",
      stored: [300, 200],
      inForce: [100],
      isReplaced: false,
    },
  ])("$name", ({ stored, inForce, isReplaced }) => {
    expect(isToBeWrittenBack(state(stored, "A"), state(inForce, "B"))).toBe(isReplaced);
  });

  it.each([
    { name: "an edit without revisions", inForce: state(undefined, "B"), isReplaced: true },
    { name: "a state with them", inForce: state([100], "B"), isReplaced: true },
    { name: "a state with nothing", inForce: state([100]), isReplaced: false },
  ])("if it was deleted, and was $name: $isReplaced", ({ inForce, isReplaced }) => {
    expect(isToBeWrittenBack(EMPTY_CONTROL_STATE, inForce)).toBe(isReplaced);
  });
});

describe("a restored backup and what is in force", () => {
  it("are united: all that is revoked in one of them, once, without what has ended", () => {
    const ended = { ...revocationOf("C"), expiresAt: "2026-01-01T00:00:00Z" };
    const kept = { ...revocationOf("A"), reason: "in force" };
    const inForce = { ...state([100]), revocations: [kept, revocationOf("B")] };
    const united = uniteStates(
      { ...state([50], "A", "D"), revocations: [revocationOf("A"), revocationOf("D"), ended] },
      inForce,
      Date.parse("2026-12-01T00:00:00Z"),
    );
    expect(serialNumbersOf(united)).toEqual(["A", "B", "D"]);
    expect(united.revocations[0]).toBe(kept);
  });

  const request = (requestId: string, requestedAt: string) => ({ requestId, requestedAt });
  const old = request("old", "2026-01-01T00:00:00Z");
  const present = request("present", "2026-02-01T00:00:00Z");
  const since = request("since", "2026-03-01T00:00:00Z");
  it.each([
    { name: "the one in force, of an earlier state", revisions: [50], stored: since, inForce: present, kept: present },
    {
      name: "the one in force, of a changed backup",
      revisions: [200, 50],
      stored: old,
      inForce: present,
      kept: present,
    },
    { name: "none, as in force", revisions: [50], stored: old, inForce: undefined, kept: undefined },
    { name: "the one that was asked for since", revisions: [200, 50], stored: since, inForce: present, kept: since },
    {
      name: "the one in force, if the backup has none",
      revisions: [200, 50],
      stored: undefined,
      inForce: present,
      kept: present,
    },
  ])("have one request for a rotation: $name", ({ revisions, stored, inForce, kept }) => {
    const united = uniteStates({ ...state(revisions), rotation: stored }, { ...state([100]), rotation: inForce }, 0);
    expect(united.rotation).toBe(kept);
  });
});
