import { describe, expect, it } from "vitest";
import { FakeClock } from "../mesh/fake-clock-fixture.ts";
import { createRecordedLog } from "./http-fixture.ts";
import { ConnectionPeak, startMemoryRelease } from "./memory-release.ts";

describe("a peak of connections", () => {
  it.each([
    { name: "none", open: [0, 0, 0], over: [] },
    { name: "a few", open: [150, 0, 0, 0], over: [] },
    { name: "many, closed", open: [4000, 0, 0, 0, 0], over: [2] },
    { name: "many, most of them closed", open: [4000, 1900, 1900, 1900], over: [2] },
    { name: "many, less than half closed", open: [4000, 2100, 2100, 2100], over: [] },
    { name: "a dip of one look", open: [4000, 0, 4000, 0, 4000], over: [] },
    { name: "two in a row", open: [4000, 0, 0, 0, 3000, 100, 100], over: [2, 6] },
    { name: "one that ends in steps", open: [4000, 1500, 1500, 500, 500], over: [2, 4] },
  ])("is over when memory can be released: $name", ({ open, over }) => {
    const peak = new ConnectionPeak();
    expect(open.flatMap((count, look) => (peak.isOver(count) ? [look] : []))).toEqual(over);
  });
});

describe("memory", () => {
  it("is released within 20 s after the connections of a peak are closed, once, and never after the stop", async () => {
    const clock = new FakeClock();
    let open = 4000;
    let released = 0;
    const release = startMemoryRelease({
      clock,
      log: createRecordedLog(),
      countConnections: () => open,
      release: () => {
        released += 1;
      },
    });
    await clock.advance(60_000);
    expect(released).toBe(0);
    open = 3;
    await clock.advance(20_000);
    expect(released).toBe(1);
    await clock.advance(600_000);
    expect(released).toBe(1);
    release.stop();
    expect(clock.pendingTimers).toBe(0);
  });
});
