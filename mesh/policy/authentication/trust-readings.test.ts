import { describe, expect, it } from "vitest";
import {
  compareReadings,
  DIVERGED_MS,
  mixReadings,
  type TimedReadings,
  type TrustReadings,
  type TrustSourceName,
  timeReadings,
} from "./trust-readings.ts";

interface ReadingOptions {
  readonly ageMs?: number;
  /** The control plane. @default one of its own for each digest */
  readonly by?: string;
  readonly source?: TrustSourceName;
  readonly revisions?: readonly number[];
}

/** Received at once, at `atMs` of the proxy's clock. */
function reading(atMs: number, digest: string, options: ReadingOptions = {}): TimedReadings {
  const { ageMs = 0, by = digest, source = "revocations", revisions } = options;
  const readings: TrustReadings = { controlPlane: by, [source]: { digest, ageMs, ...(revisions && { revisions }) } };
  return timeReadings(readings, { askedMs: atMs, receivedMs: atMs });
}

describe("a control plane is behind", () => {
  it.each([
    { name: "that was cut off before", received: reading(200, "old", { ageMs: 150 }), isBehind: true },
    { name: "that has heard of the server since, without the change", received: reading(200, "other", { ageMs: 90 }) },
    { name: "that has read the same", received: reading(200, "new", { ageMs: 150, by: "another" }) },
    { name: "that has sent what is held", received: reading(200, "old", { ageMs: 150, by: "new" }) },
    { name: "that sends no age", received: {} },
    { name: "whose other source is old", received: reading(200, "old", { ageMs: 150, source: "lists" }) },
  ])("$name: $isBehind", ({ received, isBehind = false }) => {
    const held = reading(100, "new");
    const { behind, latest } = compareReadings(received, held);
    expect(behind).toEqual(isBehind ? ["revocations"] : []);
    if (isBehind) expect(latest.revocations).toBe(held.revocations);
  });

  it("if it may have read before the change: the response may have been made when it was asked for", () => {
    const held = timeReadings(
      { controlPlane: "a", plugged: { digest: "new", ageMs: 0 } },
      { askedMs: 90, receivedMs: 110 },
    );
    const late = { controlPlane: "b", plugged: { digest: "old", ageMs: 10 } };
    expect(compareReadings(timeReadings(late, { askedMs: 115, receivedMs: 150 }), held).behind).toEqual(["plugged"]);
    expect(compareReadings(timeReadings(late, { askedMs: 120, receivedMs: 150 }), held).behind).toEqual([]);
  });
});

it("of the authority that stays in force nothing is forgotten, whatever the one behind has not read", () => {
  const held = {
    ...reading(100, "", { by: "a", source: "plugged" }),
    ...reading(100, "new", { by: "a", source: "own" }),
  };
  const first = compareReadings(reading(200, "plugged", { ageMs: 190, source: "plugged" }), held);
  expect(first).toEqual({ behind: ["plugged"], latest: held });
  const none = reading(300, "", { by: "b", ageMs: 280, source: "plugged" });
  const old = { ...none, ...reading(300, "old", { by: "b", ageMs: 280, source: "own" }) };
  expect(compareReadings(old, first.latest).behind).toEqual(["own"]);
});

it("of the same state the later reading is kept, by any control plane", () => {
  const held = reading(100, "same", { by: "a" });
  expect(compareReadings(reading(300, "same", { by: "b", ageMs: 250 }), held).latest.revocations).toBe(
    held.revocations,
  );
  const later = reading(300, "same", { by: "b", ageMs: 50 });
  expect(compareReadings(later, held).latest.revocations).toBe(later.revocations);
});

it("no age keeps a control plane behind for ever", () => {
  const held = reading(100, "new");
  const healthy = reading(100 + 60_000, "old", { ageMs: 59_000 });
  expect(compareReadings(healthy, held).behind).toEqual([]);
});

describe("of a source with revisions", () => {
  const held = reading(100, "held", { revisions: [70, 60, 50] });
  const behind = (received: TimedReadings, known = held): boolean => compareReadings(received, known).behind.length > 0;

  it.each([
    { name: "one that was not made of it, however fresh", revisions: [60, 50], isBehind: true },
    { name: "a backup that was changed since", revisions: [80, 60, 50], isBehind: true },
    { name: "that nothing was ever stored", revisions: [0], isBehind: true },
    { name: "one that was made of it, however old", revisions: [80, 70], ageMs: 150 },
    { name: "one so much later that it is not known what it was made of", revisions: [90, 80] },
    { name: "an edit by people that has no revision yet", revisions: [70, 60, 50] },
    { name: "one without revisions", revisions: [] },
  ])("$name: $isBehind", ({ revisions, ageMs = 0, isBehind = false }) => {
    expect(behind(reading(200, "other", { revisions, ageMs }))).toBe(isBehind);
  });

  it("an earlier one is taken after an hour, which begins again with each confirmation of the later one", () => {
    const restored = (atMs: number): TimedReadings => reading(atMs, "restored", { revisions: [60, 50] });
    const orderAt = (atMs: number, known: TimedReadings) => compareReadings(restored(atMs), known);
    const first = orderAt(200, held).latest;
    const second = orderAt(200 + DIVERGED_MS - 1, first);
    expect(second.behind).toEqual(["revocations"]);
    expect(behind(restored(200 + DIVERGED_MS), second.latest)).toBe(false);
    const confirmed = compareReadings(reading(300, "held", { by: "third", revisions: [70, 60, 50] }), first).latest;
    expect(behind(restored(200 + DIVERGED_MS), confirmed)).toBe(true);
  });

  it("what was mixed of two is replaced by what was made of both, and by neither of them", () => {
    const other = reading(200, "other", { revisions: [80, 60] });
    const mixed = mixReadings(compareReadings(other, held).latest, other, ["revocations"]);
    expect(behind(reading(300, "held", { revisions: [70, 60, 50] }), mixed)).toBe(true);
    expect(behind(reading(300, "other", { revisions: [80, 60] }), mixed)).toBe(true);
    expect(behind(reading(300, "both", { revisions: [90, 80, 70, 60], ageMs: 250 }), mixed)).toBe(false);
    expect(behind(reading(200 + DIVERGED_MS, "other", { revisions: [80, 60] }), mixed)).toBe(false);
  });

  it("an earlier one with the same content does not count as later", () => {
    const { behind: none, latest } = compareReadings(reading(200, "held", { by: "lagging", revisions: [50] }), held);
    expect(none).toEqual([]);
    expect(behind(reading(300, "between", { revisions: [60, 50] }), latest)).toBe(true);
  });

  it("one that it was made of leaves nothing behind", () => {
    const older = reading(200, "older", { revisions: [60] });
    expect(mixReadings(held, older, ["revocations"]).revocations).toBe(held.revocations);
  });
});
