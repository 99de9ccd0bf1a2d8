import { describe, expect, it } from "vitest";
import { FakeClock, settlePromises } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { Usage } from "./decide-phase.ts";
import { EndRequests } from "./end-requests.ts";
import { runDrain } from "./run-drain.ts";

interface Drain {
  readonly clock: FakeClock;
  readonly requests: EndRequests;
  readonly events: readonly string[];
  usage: Usage;
}

function start(usage: Partial<Usage> = {}): Drain {
  const clock = new FakeClock();
  const requests = new EndRequests(clock);
  const events: string[] = [];
  const drain: Drain = {
    ...{ clock, requests, events },
    usage: { inbound: 0, outbound: 0, applicationListens: false, hasServed: true, ...usage },
  };
  const running = runDrain({
    ...{ requests, clock, log: new RecordingLogger() },
    config: { acceptMs: 5000, deadlineMs: 25_000 },
    usage: () => drain.usage,
    onDraining: () => events.push("draining"),
    onOutboundOnly: () => events.push("outbound only"),
  });
  void running.then(() => events.push("ended"));
  return drain;
}

describe("a drain", () => {
  it("begins with the first request, and not before", async () => {
    const { clock, events, requests } = start();
    await clock.advance(60_000);
    expect(events).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
    requests.add("stop");
    await settlePromises();
    expect(events).toEqual(["draining"]);
  });

  it("accepts for its time, then waits until nothing needs the proxy", async () => {
    const drain = start({ inbound: 1 });
    drain.requests.add("stop");
    await drain.clock.advance(4900);
    expect(drain.events).toEqual(["draining"]);
    await drain.clock.advance(100);
    expect(drain.events).toEqual(["draining", "outbound only"]);
    await drain.clock.advance(5000);
    drain.usage = { ...drain.usage, inbound: 0 };
    await drain.clock.advance(5000);
    expect(drain.events).toEqual(["draining", "outbound only"]);
    await drain.clock.advance(100);
    expect(drain.events).toEqual(["draining", "outbound only", "ended"]);
    expect(drain.clock.pendingTimers).toBe(0);
  });

  it("ends at the deadline if a client never leaves", async () => {
    const { clock, events, requests } = start({ inbound: 1 });
    requests.add("stop");
    await clock.advance(24_900);
    expect(events).not.toContain("ended");
    await clock.advance(100);
    expect(events).toEqual(["draining", "outbound only", "ended"]);
  });

  it("after /drain waits for SIGTERM, which then ends an idle proxy within a moment", async () => {
    const { clock, events, requests } = start();
    requests.add("drain");
    await clock.advance(20_000);
    expect(events).toEqual(["draining", "outbound only"]);
    requests.add("stop");
    await clock.advance(100);
    expect(events).toEqual(["draining", "outbound only", "ended"]);
  });

  it("goes through every phase, even when the application of a Job has ended before it began", async () => {
    const { events, requests } = start({ hasServed: false });
    requests.add("quit");
    await settlePromises();
    expect(events).toEqual(["draining", "outbound only", "ended"]);
  });
});
