import { beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { CallTurns } from "./call-turns.ts";
import type { CallOf } from "./control-plane-metrics.ts";

const CALL_MS = 1;
let clock: FakeClock;
/** What has run, in order. */
let order: string[];
let refused: string[];
let waiting: Record<CallOf, number>;
beforeEach(() => {
  clock = new FakeClock();
  [order, refused, waiting] = [[], [], { verified: 0, unverified: 0 }];
});

function createTurns(maxWaitingCalls = 10_000): CallTurns {
  return new CallTurns({
    limits: { maxWaitingCalls },
    clock,
    onWaiting: (peer, calls) => {
      waiting[peer] = calls;
    },
  });
}

/** Calls, each of which takes a millisecond. */
function add(turns: CallTurns, caller: string, { calls = 1, peer = "verified" as CallOf } = {}): void {
  for (let call = 0; call < calls; call += 1) {
    turns.add({
      ...{ caller, peer },
      serve: () => {
        order.push(caller);
        clock.pause(CALL_MS);
      },
      refuse: () => void refused.push(caller),
    });
  }
}

/** Other work of the event loop, once in each of its turns, until no call waits. */
async function runBeside(tookMs = 0): Promise<void> {
  while (waiting.verified + waiting.unverified > 0) {
    await new Promise((resolve) => setImmediate(resolve));
    order.push("other work");
    clock.pause(tookMs);
  }
}

const isCall = (entry: string): boolean => entry !== "other work";

/** How many calls are begun between two turns of the other work. */
function slices(): readonly number[] {
  const lengths = order
    .join()
    .split("other work")
    .map((part) => part.split(",").filter(Boolean).length);
  return lengths.filter((length) => length > 0);
}

describe("a flood of many callers", () => {
  it("delays another caller by one round", async () => {
    const turns = createTurns();
    for (let pod = 0; pod < 200; pod += 1) add(turns, `flood ${pod}`, { calls: 10 });
    add(turns, "modest");
    await runBeside();
    expect(order.filter(isCall).indexOf("modest")).toBe(200);
    expect(order.filter(isCall)).toHaveLength(2001);
  });

  it("delays a caller that comes later by one round", async () => {
    const turns = createTurns();
    for (let pod = 0; pod < 20; pod += 1) add(turns, `flood ${pod}`, { calls: 50 });
    await new Promise((resolve) => setImmediate(resolve));
    const before = order.filter(isCall).length;
    expect(before).toBeLessThan(20);
    add(turns, "modest");
    await runBeside();
    expect(order.filter(isCall).indexOf("modest") - before).toBeLessThanOrEqual(20);
  });

  it("leaves the event loop to other work every few calls", async () => {
    const turns = createTurns();
    for (let pod = 0; pod < 100; pod += 1) add(turns, `flood ${pod}`, { calls: 3 });
    await runBeside();
    expect(Math.max(...slices())).toBeLessThanOrEqual(5);
  });

  it("is not starved either: after other work that took long, more calls are begun", async () => {
    const turns = createTurns();
    add(turns, "flood", { calls: 300 });
    await runBeside(400);
    expect(slices().at(1)).toBe(100);
  });

  it("delays new pods behind one address by half of the time", async () => {
    const turns = createTurns();
    for (let pod = 0; pod < 100; pod += 1) add(turns, `flood ${pod}`, { calls: 5 });
    add(turns, "10.0.0.7", { calls: 20, peer: "unverified" });
    await runBeside();
    expect(order.filter(isCall).lastIndexOf("10.0.0.7")).toBe(39);
  });
});

describe("when too many calls wait", () => {
  it("the callers with the most lose their newest, and one with a single call none", async () => {
    const turns = createTurns(10);
    add(turns, "modest");
    add(turns, "greedy", { calls: 20 });
    add(turns, "another");
    await runBeside();
    expect(refused).toEqual(Array.from({ length: 12 }, () => "greedy"));
    expect(order.filter(isCall).slice(0, 3)).toEqual(["modest", "greedy", "another"]);
  });

  it("those of callers without a certificate take no place of the others", async () => {
    const turns = createTurns(10);
    add(turns, "10.0.0.7", { calls: 30, peer: "unverified" });
    add(turns, "pod", { calls: 10 });
    expect(refused).toEqual(Array.from({ length: 20 }, () => "10.0.0.7"));
    expect(waiting).toEqual({ verified: 10, unverified: 10 });
    await runBeside();
    expect(order.filter(isCall)).toHaveLength(20);
  });
});

it("a call that nobody waits beside is begun in the same turn of the event loop", async () => {
  const turns = createTurns();
  for (const caller of ["first", "second"]) {
    add(turns, caller);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    expect(order.at(-1)).toBe(caller);
  }
});
