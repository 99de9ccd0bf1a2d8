import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FairPlaces } from "./fair-places.ts";

function filled(items: Readonly<Record<string, readonly number[]>>): FairPlaces<number> {
  const places = new FairPlaces<number>();
  for (const [owner, numbers] of Object.entries(items)) for (const number of numbers) places.add(owner, number);
  return places;
}

describe("places of several owners", () => {
  it("are given back by the owner with the most, its oldest first", () => {
    const places = filled({ honest: [1], greedy: [2, 3, 4, 5] });
    expect([1, 2, 3].map(() => places.takeNext())).toEqual([2, 3, 4]);
    expect(places.size).toBe(2);
  });

  it("are given back by the oldest where all owners have as many", () => {
    const places = filled({ a: [1], b: [2], c: [3] });
    places.delete("a", 1);
    places.add("a", 4);
    expect([1, 2, 3, 4].map(() => places.takeNext())).toEqual([2, 3, 4, undefined]);
  });

  it("count an item once, and forget one that has left", () => {
    const places = filled({ a: [1, 1, 2] });
    expect(places.size).toBe(2);
    places.delete("a", 1);
    places.delete("a", 1);
    places.delete("b", 2);
    expect(places.size).toBe(1);
    expect(places.takeNext()).toBe(2);
  });

  it("never take from an owner while another one has more", () => {
    const item = fc.tuple(fc.constantFrom("a", "b", "c"), fc.nat(9));
    const step = fc.record({ kind: fc.constantFrom("add", "delete", "take"), item });
    fc.assert(fc.property(fc.array(step, { maxLength: 100 }), (steps) => void steps.reduce(applyStep, emptyModel())));
  });
});

type Item = readonly [owner: string, number: number];
interface Model {
  readonly places: FairPlaces<string>;
  /** Oldest first, as `owner number`. */
  readonly items: readonly string[];
}

const emptyModel = (): Model => ({ places: new FairPlaces(), items: [] });

function applyStep({ places, items }: Model, { kind, item }: { readonly kind: string; readonly item: Item }): Model {
  const name = item.join(" ");
  const others = items.filter((one) => one !== name);
  if (kind === "take") return { places, items: checkTaken(places.takeNext(), items) };
  if (kind === "add") places.add(item[0], name);
  else places.delete(item[0], name);
  const isThere = items.includes(name);
  const left = kind === "delete" ? others : isThere ? items : [...items, name];
  expect(places.size).toBe(left.length);
  return { places, items: left };
}

/** The items that are left. */
function checkTaken(taken: string | undefined, items: readonly string[]): readonly string[] {
  const byOwner = Map.groupBy(items, (one) => one[0]);
  const most = Math.max(0, ...[...byOwner.values()].map(({ length }) => length));
  const own = byOwner.get(taken?.[0]) ?? [];
  expect(own[0]).toBe(taken);
  expect(own).toHaveLength(most);
  return items.filter((one) => one !== taken);
}
