import { describe, expect, it } from "vitest";
import { foldHeaderOperations } from "./header-operations.ts";
import type { HeaderEdit, HeaderOperations } from "./http-route.ts";

const EMPTY: HeaderEdit = { set: [], add: [], remove: [] };
const field = (name: string, value: string) => ({ name, value });

function request(edit: Partial<HeaderEdit>): HeaderOperations {
  return { request: { ...EMPTY, ...edit }, response: EMPTY };
}

function fold(...operations: readonly HeaderOperations[]) {
  const { removed, added } = foldHeaderOperations(operations, "request");
  return { removed: [...removed], added: added.map(({ name, value }) => `${name}: ${value}`) };
}

describe("header operations", () => {
  it.each([
    { name: "none", operations: [], removed: [], added: [] },
    { name: "set replaces", operations: [request({ set: [field("a", "1")] })], removed: ["a"], added: ["a: 1"] },
    {
      name: "add keeps existing values",
      operations: [request({ add: [field("a", "1")] })],
      removed: [],
      added: ["a: 1"],
    },
    { name: "remove", operations: [request({ remove: ["a"] })], removed: ["a"], added: [] },
    {
      name: "remove is applied before set and add of the same name",
      operations: [request({ remove: ["a"], set: [field("a", "1")], add: [field("a", "2")] })],
      removed: ["a"],
      added: ["a: 1", "a: 2"],
    },
    {
      name: "the second set wins",
      operations: [request({ set: [field("a", "1")] }), request({ set: [field("a", "2")] })],
      removed: ["a"],
      added: ["a: 2"],
    },
    {
      name: "the second's removal removes what the first added",
      operations: [request({ add: [field("a", "1"), field("b", "1")] }), request({ remove: ["a"] })],
      removed: ["a"],
      added: ["b: 1"],
    },
    {
      name: "the second adds to what the first set",
      operations: [request({ set: [field("a", "1")] }), request({ add: [field("a", "2")] })],
      removed: ["a"],
      added: ["a: 1", "a: 2"],
    },
    {
      name: "a removal applies to every spelling that servers treat as the same name",
      operations: [request({ add: [field("x_a", "1")] }), request({ remove: ["x-a"] })],
      removed: ["x-a"],
      added: [],
    },
    {
      name: "a name with an underscore replaces the one with a hyphen, and is set as written",
      operations: [request({ set: [field("x_a", "1")] })],
      removed: ["x-a"],
      added: ["x_a: 1"],
    },
  ])("$name", ({ operations, removed, added }) => {
    expect(fold(...operations)).toEqual({ removed, added });
  });

  it("of requests and responses are separate", () => {
    const operations = [{ request: EMPTY, response: { ...EMPTY, set: [field("a", "1")] } }];
    expect(foldHeaderOperations(operations, "request").added).toEqual([]);
    expect(foldHeaderOperations(operations, "response").added).toEqual([field("a", "1")]);
  });
});
