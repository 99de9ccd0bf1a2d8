import { expect, it } from "vitest";
import { TokenCache } from "./token-cache.ts";

it("what was not used for the longest time gives way", () => {
  const cache = new TokenCache<number>({ maxEntries: 2, maxWeight: 100 });
  cache.set("a", 1, 1);
  cache.set("b", 2, 1);
  cache.get("a");
  cache.set("c", 3, 1);
  expect(["a", "b", "c"].map((key) => cache.get(key))).toEqual([1, undefined, 3]);
});

it("a flood of different tokens costs no more than the limit of weight", () => {
  const cache = new TokenCache<number>({ maxEntries: 1000, maxWeight: 100 });
  for (let index = 0; index < 500; index += 1) cache.set(String(index), index, 10);
  expect(cache.size).toBe(10);
});

it("an entry that is set again weighs once, and one heavier than all is not kept", () => {
  const cache = new TokenCache<number>({ maxEntries: 10, maxWeight: 100 });
  for (let index = 0; index < 50; index += 1) cache.set("a", index, 60);
  expect(cache.get("a")).toBe(49);
  cache.set("b", 1, 101);
  expect([cache.size, cache.get("b")]).toEqual([0, undefined]);
});
