import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import type { Destination, DestinationTarget } from "../../mesh/policy/types.ts";
import { createDestinationCache } from "./destination-cache.ts";

const PASSTHROUGH: Destination = { kind: "passthrough" };
const REFUSED: Destination = { kind: "refused", reason: "no" };

function address(port: number): DestinationTarget {
  return { kind: "address", ip: "10.0.0.1", port };
}

/** A control plane that responds when the test decides. */
function createControlPlane() {
  const open = new Map<number, (destination: Destination) => void>();
  let opened = 0;
  return {
    watch: (target: DestinationTarget, listener: (destination: Destination) => void) => {
      opened += 1;
      open.set(target.port, listener);
      return { close: () => void open.delete(target.port) };
    },
    answer: (port: number, destination: Destination) => open.get(port)?.(destination),
    ports: () => [...open.keys()],
    opened: () => opened,
  };
}

describe("destination cache", () => {
  it("queries a destination once if several connections need it at the same time", async () => {
    const control = createControlPlane();
    const cache = createDestinationCache({ watch: control.watch, clock: new FakeClock() });
    const leases = Promise.all([cache.acquire(address(1)), cache.acquire(address(1))]);
    control.answer(1, PASSTHROUGH);
    expect((await leases).map((lease) => lease?.current())).toEqual([PASSTHROUGH, PASSTHROUGH]);
    expect(control.opened()).toBe(1);
  });

  it("gives up on a destination that does not resolve, and closes its stream", async () => {
    const clock = new FakeClock();
    const control = createControlPlane();
    const cache = createDestinationCache({ watch: control.watch, clock, resolveTimeoutMs: 5000 });
    const lease = cache.acquire(address(1));
    await clock.advance(5001);
    expect(await lease).toBeUndefined();
    await clock.advance(1);
    expect(control.ports()).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it("keeps the last response while the control plane is silent, and follows its updates", async () => {
    const control = createControlPlane();
    const cache = createDestinationCache({ watch: control.watch, clock: new FakeClock() });
    const acquired = cache.acquire(address(1));
    control.answer(1, PASSTHROUGH);
    const lease = await acquired;
    control.answer(1, REFUSED);
    expect(lease?.current()).toEqual(REFUSED);
  });

  it("drops a destination that was unused for a while, and not one in use", async () => {
    const clock = new FakeClock();
    const control = createControlPlane();
    const cache = createDestinationCache({ watch: control.watch, clock, idleMs: 60_000 });
    const acquired = [cache.acquire(address(1)), cache.acquire(address(2))];
    control.answer(1, PASSTHROUGH);
    control.answer(2, PASSTHROUGH);
    const [first] = await Promise.all(acquired);
    first?.release();
    first?.release();
    await clock.advance(60_001);
    expect(control.ports()).toEqual([2]);
  });

  it("a new use within the idle time keeps the stream", async () => {
    const clock = new FakeClock();
    const control = createControlPlane();
    const cache = createDestinationCache({ watch: control.watch, clock, idleMs: 60_000 });
    const acquired = cache.acquire(address(1));
    control.answer(1, PASSTHROUGH);
    (await acquired)?.release();
    await clock.advance(30_000);
    await cache.acquire(address(1));
    await clock.advance(60_000);
    expect(control.ports()).toEqual([1]);
    expect(control.opened()).toBe(1);
  });

  it("an application that scans addresses displaces its own idle destinations, never one in use", async () => {
    const control = createControlPlane();
    const cache = createDestinationCache({ watch: control.watch, clock: new FakeClock(), limit: 10 });
    const inUse = cache.acquire(address(0));
    control.answer(0, PASSTHROUGH);
    await inUse;
    for (let port = 1; port <= 100; port += 1) {
      const acquired = cache.acquire(address(port));
      control.answer(port, PASSTHROUGH);
      (await acquired)?.release();
    }
    expect(cache.list().length).toBeLessThanOrEqual(10);
    expect(control.ports()).toContain(0);
  });

  it("closes every stream at the end", async () => {
    const control = createControlPlane();
    const cache = createDestinationCache({ watch: control.watch, clock: new FakeClock() });
    const acquired = cache.acquire(address(1));
    control.answer(1, PASSTHROUGH);
    await acquired;
    cache.close();
    expect(control.ports()).toEqual([]);
  });
});
