import { describe, expect, it } from "vitest";
import { FetchTurns } from "./fetch-turns.ts";

const LIMITS = { maxActive: 3, maxActiveOfNamespace: 2 };

/** The work that begins now. */
function beginAll(turns: FetchTurns<string>): readonly string[] {
  const begun: string[] = [];
  for (let turn = turns.begin(); turn !== undefined; turn = turns.begin()) begun.push(turn.work);
  return begun;
}

describe("namespaces", () => {
  it("take turns, each with a part of the places", () => {
    const turns = new FetchTurns<string>(LIMITS);
    for (const work of ["a1", "a2", "a3", "a4"]) turns.add(work, ["a"]);
    turns.add("b1", ["b"]);
    expect(beginAll(turns)).toEqual(["a1", "b1", "a2"]);
  });

  it("get a place when one is free, and not more than their part", () => {
    const turns = new FetchTurns<string>(LIMITS);
    for (const work of ["a1", "a2", "a3"]) turns.add(work, ["a"]);
    const first = turns.begin();
    expect([first?.work, ...beginAll(turns)]).toEqual(["a1", "a2"]);
    if (first !== undefined) turns.end(first);
    expect(beginAll(turns)).toEqual(["a3"]);
  });

  it("that need the same do it once, in the first turn of one of them", () => {
    const turns = new FetchTurns<string>(LIMITS);
    for (const work of ["a1", "a2", "both"]) turns.add(work, ["a"]);
    turns.add("both", ["b"]);
    expect(turns.isWaiting("both")).toBe(true);
    expect(beginAll(turns)).toEqual(["a1", "both", "a2"]);
    expect(turns.isWaiting("both")).toBe(false);
  });

  it("whose work is not needed any more leave nothing", () => {
    const turns = new FetchTurns<string>(LIMITS);
    turns.add("one", ["a", "b"]);
    turns.delete("one");
    expect(turns.begin()).toBeUndefined();
  });
});
