import { describe, expect, it } from "vitest";
import {
  compareReadings,
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
}

/** Received at once, at `atMs` of the proxy's clock. */
function reading(atMs: number, digest: string, options: ReadingOptions = {}): TimedReadings {
  const { ageMs = 0, by = digest, source = "revocations" } = options;
  const readings: TrustReadings = { controlPlane: by, [source]: { digest, ageMs } };
  return timeReadings(readings, { askedMs: atMs, receivedMs: atMs });
}

describe("a control plane is behind", () => {
  it.each([
    { name: "that was cut off before", received: reading(200, "old", { ageMs: 150 }), isBehind: true },
    { name: "that has heard of the server since, without the change", received: reading(200, "other", { ageMs: 90 }) },
    { name: "that has read the same", received: reading(200, "new", { ageMs: 150, by: "another" }) },
    { name: "that has sent what is held", received: reading(200, "old", { ageMs: 150, by: "new" }) },
    { name: "that says nothing of its age", received: {} },
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

it("of the same state the later reading is kept, whoever has sent it", () => {
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
