import { beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { Ending } from "../ending.ts";
import { ConnectionCapacity, type CountedConnection } from "./connection-capacity.ts";

class FakeConnection implements CountedConnection {
  readonly name: string;
  readonly isVerified: boolean;
  readonly #ending = new Ending<void>();
  isIdle: boolean;
  awaitsBodySinceMs: number | undefined;

  constructor(name: string, { isIdle = false, isVerified = false, awaitsBodySinceMs = Number.NaN } = {}) {
    this.name = name;
    this.isIdle = isIdle;
    this.isVerified = isVerified;
    this.awaitsBodySinceMs = Number.isNaN(awaitsBodySinceMs) ? undefined : awaitsBodySinceMs;
  }

  onEnd(listener: () => void): void {
    this.#ending.onEnd(listener);
  }

  end(): void {
    this.#ending.report();
  }
}

let clock: FakeClock;
let displaced: string[];

beforeEach(() => {
  clock = new FakeClock();
  displaced = [];
});

function createCapacity(limit: number): ConnectionCapacity<FakeConnection> {
  return new ConnectionCapacity({ limit, clock, displace: ({ name }) => void displaced.push(name) });
}

describe("the capacity for connections", () => {
  it("refuses one more when all are busy", () => {
    const capacity = createCapacity(2);
    expect(["a", "b", "c"].map((name) => capacity.enter(new FakeConnection(name)))).toEqual([true, true, false]);
    expect(displaced).toEqual([]);
  });

  it("has room again when one has ended", () => {
    const capacity = createCapacity(1);
    const first = new FakeConnection("a");
    capacity.enter(first);
    first.end();
    expect(capacity.enter(new FakeConnection("b"))).toBe(true);
  });

  it("lets the oldest idle connection make room, unverified before verified", () => {
    const capacity = createCapacity(4);
    capacity.enter(new FakeConnection("verified", { isIdle: true, isVerified: true }));
    capacity.enter(new FakeConnection("busy"));
    capacity.enter(new FakeConnection("old", { isIdle: true }));
    capacity.enter(new FakeConnection("new", { isIdle: true }));
    for (let more = 0; more < 3; more += 1) expect(capacity.enter(new FakeConnection("more"))).toBe(true);
    expect(displaced).toEqual(["old", "new", "verified"]);
    expect(capacity.enter(new FakeConnection("one too many"))).toBe(false);
    expect(capacity.size).toBe(4);
  });

  it("skips a connection that has become busy since it was found", () => {
    const capacity = createCapacity(3);
    const connections = ["a", "b", "c"].map((name) => new FakeConnection(name, { isIdle: true }));
    for (const connection of connections) capacity.enter(connection);
    capacity.enter(new FakeConnection("d"));
    for (const connection of connections) if (connection.name === "b") connection.isIdle = false;
    capacity.enter(new FakeConnection("e"));
    expect(displaced).toEqual(["a", "c"]);
  });

  it("lets the connection make room whose client has stalled longest in a body, unverified before verified", async () => {
    const capacity = createCapacity(4);
    capacity.enter(new FakeConnection("verified", { awaitsBodySinceMs: 0, isVerified: true }));
    capacity.enter(new FakeConnection("newer", { awaitsBodySinceMs: 200 }));
    capacity.enter(new FakeConnection("older", { awaitsBodySinceMs: 100 }));
    capacity.enter(new FakeConnection("busy"));
    await clock.advance(2000);
    expect(capacity.enter(new FakeConnection("too early"))).toBe(false);
    await clock.advance(1000);
    for (let more = 0; more < 3; more += 1) expect(capacity.enter(new FakeConnection("more"))).toBe(true);
    expect(displaced).toEqual(["older", "newer", "verified"]);
    expect(capacity.enter(new FakeConnection("one too many"))).toBe(false);
  });

  it("spares a stalled connection while another is idle, or once its client has sent more", async () => {
    const capacity = createCapacity(3);
    const [stalled, other] = ["a", "b"].map((name) => new FakeConnection(name, { awaitsBodySinceMs: 0 }));
    if (stalled === undefined || other === undefined) throw new Error("there are two");
    for (const connection of [stalled, other, new FakeConnection("idle", { isIdle: true })]) capacity.enter(connection);
    await clock.advance(5000);
    capacity.enter(new FakeConnection("c"));
    capacity.enter(new FakeConnection("d", { isIdle: true }));
    expect(displaced).toEqual(["idle", "a"]);
    other.awaitsBodySinceMs = 4900;
    expect(capacity.enter(new FakeConnection("e"))).toBe(false);
  });

  it("finds an idle one again after a while, although none was before", async () => {
    const capacity = createCapacity(1);
    const only = new FakeConnection("a");
    capacity.enter(only);
    expect(capacity.enter(new FakeConnection("b"))).toBe(false);
    only.isIdle = true;
    await clock.advance(100);
    expect(capacity.enter(new FakeConnection("c"))).toBe(true);
  });

  it("does not search all connections for each one that it refuses", () => {
    let looks = 0;
    const capacity = createCapacity(1000);
    for (let index = 0; index < 1000; index += 1) {
      const connection = new FakeConnection("busy");
      Object.defineProperty(connection, "isIdle", {
        get: () => {
          looks += 1;
          return false;
        },
      });
      capacity.enter(connection);
    }
    for (let index = 0; index < 1000; index += 1) capacity.enter(new FakeConnection("more"));
    expect(looks).toBeLessThanOrEqual(1000);
  });
});
