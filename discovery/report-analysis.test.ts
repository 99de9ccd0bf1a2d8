import { describe, expect, it } from "vitest";
import { FakeClock } from "../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { testPod, testResource } from "../mesh/resources/resource-set-fixture.ts";
import { ChangingSource, settings } from "./discovery-fixture.ts";
import { startAnalysisReport } from "./report-analysis.ts";

function rule(host: string): string {
  return testResource("DestinationRule", "rule", { host, trafficPolicy: {} }, { namespace: "ns1" });
}

const UNKNOWN = "unknown.ns1.svc.cluster.local";

function start(...documents: readonly string[]) {
  const source = new ChangingSource(...documents.map((text) => `${text}\n`));
  const clock = new FakeClock();
  const log = new RecordingLogger();
  const stop = startAnalysisReport({ source, settings: { current: () => settings }, clock, log });
  const change = (...next: readonly string[]): void => source.change(...next.map((text) => `${text}\n`));
  return { change, clock, log, stop };
}

describe("the report of what is suspicious", () => {
  it("logs each problem once for as long as it lasts", async () => {
    const { change, clock, log } = start(rule(UNKNOWN));
    await clock.advance(1000);
    expect(log.find(UNKNOWN)).toHaveLength(1);
    change(rule(UNKNOWN), testPod({ name: "a" }));
    await clock.advance(10_000);
    expect(log.find(UNKNOWN)).toHaveLength(1);
    change();
    await clock.advance(10_000);
    change(rule(UNKNOWN));
    await clock.advance(10_000);
    expect(log.find(UNKNOWN)).toHaveLength(2);
  });

  it("waits for changes that come together, and does nothing after it is stopped", async () => {
    const { change, clock, log, stop } = start();
    await clock.advance(10_000);
    change(rule(UNKNOWN));
    change();
    await clock.advance(10_000);
    expect(log.records).toEqual([]);
    change(rule(UNKNOWN));
    stop();
    await clock.advance(10_000);
    expect(log.records).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("does not repeat itself for the pods of a large mesh", async () => {
    const pods = Array.from({ length: 1000 }, (_, index) =>
      testPod({ name: `pod-${index}`, ip: `10.${index >> 8}.${index & 255}.1` }),
    );
    const { change, clock } = start(...pods);
    await clock.advance(10_000);
    change(...pods, testPod({ name: "another" }));
    expect(clock.pendingTimers).toBe(0);
    change(...pods, rule(UNKNOWN));
    expect(clock.pendingTimers).toBe(1);
  });
});
