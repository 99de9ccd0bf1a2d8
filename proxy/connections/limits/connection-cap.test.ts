import { describe, expect, it } from "vitest";
import { createConnectionCap } from "./connection-cap.ts";

describe("a cap on connections", () => {
  it("evicts the oldest when there are too many, in their order of arrival", () => {
    const evicted: number[] = [];
    const cap = createConnectionCap(2);
    for (const id of [1, 2, 3, 4]) cap.enter("10.0.0.1", () => evicted.push(id));
    expect(evicted).toEqual([1, 2]);
    expect(cap.size).toBe(2);
  });

  it("one that has ended makes room and is never evicted", () => {
    const evicted: number[] = [];
    const cap = createConnectionCap(2);
    const first = cap.enter("10.0.0.1", () => evicted.push(1));
    cap.enter("10.0.0.1", () => evicted.push(2));
    first.leave();
    first.leave();
    cap.enter("10.0.0.1", () => evicted.push(3));
    expect(evicted).toEqual([]);
  });

  it("evicts those of the address with the most, though others wait for longer", () => {
    const evicted: string[] = [];
    const cap = createConnectionCap(3);
    for (const address of ["honest", "flood", "flood", "flood", "flood"])
      cap.enter(address, () => evicted.push(address));
    expect(evicted).toEqual(["flood", "flood"]);
  });
});
