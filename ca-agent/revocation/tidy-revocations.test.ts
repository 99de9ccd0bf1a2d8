import { afterEach, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { CaError } from "../ca-error.ts";
import { keyOfTarget } from "./revocation-entries.ts";
import { MemoryControl, revocationOf } from "./revocations-fixture.ts";
import { startTidyRevocations } from "./tidy-revocations.ts";

const DAY_MS = 86_400_000;
const stop = new AbortController();
afterEach(() => stop.abort());

it("what no longer matters is removed, and nothing else", async () => {
  const clock = new FakeClock();
  const log = new RecordingLogger();
  const control = new MemoryControl();
  const there = new Set(["there"]);
  const pod = (name: string) => ({ kind: "pod", namespace: "ns1", name }) as const;
  control.revoke(
    ...[revocationOf(pod("there")), revocationOf(pod("gone"))],
    ...[revocationOf({ kind: "serial", serialNumber: "A" }), revocationOf({ kind: "serial", serialNumber: "B" })],
  );
  const facts = () => ({
    ...{ nowMs: clock.now(), maxLifetimeMs: DAY_MS },
    findExpiry: (serialNumber: string) => (serialNumber === "A" ? Date.parse("2030-01-01T06:00:00Z") : undefined),
    isPodThere: ({ name }: { readonly name: string }) => there.has(name),
  });
  startTidyRevocations({ store: control, facts, clock, random: () => 0.5, log, signal: stop.signal });
  const left = (): readonly string[] => control.current().revocations.map(({ what }) => keyOfTarget(what));
  await clock.advance(3_700_000);
  expect(left()).toEqual(["pod ns1/there ", "pod ns1/gone ", "serial A", "serial B"]);
  expect(control.current().revocations[2]?.expiresAt).toBe("2030-01-01T06:00:00.000Z");
  control.failure = new CaError("control_conflict", "busy");
  await clock.advance(10 * 3_600_000);
  expect(log.find("old revocations were not removed").length).toBeGreaterThan(0);
  control.failure = undefined;
  await clock.advance(3_600_000);
  expect(left()).toEqual(["pod ns1/there ", "pod ns1/gone ", "serial B"]);
  await clock.advance(DAY_MS);
  expect(left()).toEqual(["pod ns1/there ", "serial B"]);
  there.clear();
  await clock.advance(2 * 3_600_000);
  expect(left()).toEqual(["serial B"]);
});
