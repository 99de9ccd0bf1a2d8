import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StreamSet } from "./stream-set.ts";

describe("a set of streams", () => {
  it("has the members that a Set would have, after any changes", () => {
    const change = fc.record({ operation: fc.constantFrom("add", "delete"), index: fc.nat(9) });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
        const streams = Array.from({ length: 10 }, (_, id) => ({ id, place: -1 }));
        const set = new StreamSet<{ readonly id: number; place: number }>();
        const expected = new Set<unknown>();
        for (const { operation, index } of changes) {
          const [stream = { id: index, place: -1 }] = streams.slice(index);
          set[operation](stream);
          expected[operation](stream);
          expect(set.size).toBe(expected.size);
        }
        expect(new Set<unknown>(set.values())).toEqual(expected);
      }),
    );
  });

  it("may lose members while its values are visited", () => {
    const streams = [0, 1, 2].map((id) => ({ id, place: -1 }));
    const set = new StreamSet<(typeof streams)[number]>();
    for (const stream of streams) set.add(stream);
    const visited = set.values().map((stream) => {
      set.delete(stream);
      return stream.id;
    });
    expect(visited).toEqual([0, 1, 2]);
    expect(set.size).toBe(0);
  });
});
