import { beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { ConnectionCapacity, type CountedConnection } from "./connection-capacity.ts";

class FakeConnection implements CountedConnection {
  readonly name: string;
  readonly isVerified: boolean;
  readonly ended: Promise<void>;
  isIdle: boolean;
  looks = 0;
  end: () => void = () => undefined;

  constructor(name: string, { isIdle = false, isVerified = false } = {}) {
    this.name = name;
    this.isIdle = isIdle;
    this.isVerified = isVerified;
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
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

  it("has room again when one has ended", async () => {
    const capacity = createCapacity(1);
    const first = new FakeConnection("a");
    capacity.enter(first);
    first.end();
    await first.ended;
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
