import { describe, expect, it } from "vitest";
import { createPendingHandshakes } from "./pending-handshakes.ts";

describe("pending handshakes", () => {
  it("evict the oldest when there are too many, in the order in which they came", () => {
    const evicted: number[] = [];
    const pending = createPendingHandshakes(2);
    for (const id of [1, 2, 3, 4]) pending.enter(() => evicted.push(id));
    expect(evicted).toEqual([1, 2]);
    expect(pending.size).toBe(2);
  });

  it("one that is done makes room and is never evicted", () => {
    const evicted: number[] = [];
    const pending = createPendingHandshakes(2);
    const first = pending.enter(() => evicted.push(1));
    pending.enter(() => evicted.push(2));
    first.done();
    first.done();
    pending.enter(() => evicted.push(3));
    expect(evicted).toEqual([]);
  });
});
