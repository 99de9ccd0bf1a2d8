import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PersistentMap } from "./persistent-map.ts";

const changes = fc.array(
  fc.array(fc.tuple(fc.integer({ min: 0, max: 60 }).map(String), fc.option(fc.string(), { nil: undefined })), {
    maxLength: 40,
  }),
  { maxLength: 30 },
);

function expectEqual(map: PersistentMap<string>, model: ReadonlyMap<string, string>): void {
  expect(new Map(map)).toEqual(model);
  expect(map.size).toBe(model.size);
  expect(new Set(map.keys())).toEqual(new Set(model.keys()));
  expect([...map.values()].sort()).toEqual([...model.values()].sort());
  const keys = Array.from({ length: 62 }, (_, key) => String(key));
  expect(keys.map((key) => [map.get(key), map.has(key)])).toEqual(keys.map((key) => [model.get(key), model.has(key)]));
}

function applyTo(model: ReadonlyMap<string, string>, step: readonly (readonly [string, string | undefined])[]) {
  const next = new Map<string, string | undefined>([...model, ...step]);
  return new Map([...next].flatMap(([key, value]): [string, string][] => (value === undefined ? [] : [[key, value]])));
}

describe("PersistentMap", () => {
  it("contains after any changes what a Map contains, in every version", () => {
    fc.assert(
      fc.property(changes, (steps) => {
        const versions = [{ map: PersistentMap.empty<string>(), model: new Map<string, string>() }];
        for (const step of steps) {
          const last = versions.at(-1) ?? { map: PersistentMap.empty<string>(), model: new Map<string, string>() };
          versions.push({ map: last.map.with(new Map(step)), model: applyTo(last.model, step) });
        }
        for (const { map, model } of versions) expectEqual(map, model);
      }),
    );
  });

  it("keeps the place of an entry that is replaced", () => {
    const map = PersistentMap.empty<string>().with(new Map(Object.entries({ a: "1", b: "2", c: "3" })));
    const changed = map.with(new Map([["b", "4"]])).with(new Map([["d", "5"]]));
    expect([...changed]).toEqual([
      ["a", "1"],
      ["b", "4"],
      ["c", "3"],
      ["d", "5"],
    ]);
    const visited: string[] = [];
    changed.forEach((value, key) => {
      visited.push(`${key}=${value}`);
    });
    expect(visited).toEqual(["a=1", "b=4", "c=3", "d=5"]);
  });

  it("returns itself if nothing changes", () => {
    const map = PersistentMap.empty<string>();
    expect(map.with(new Map())).toBe(map);
  });
});
