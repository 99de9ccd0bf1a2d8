import { describe, expect, it } from "vitest";
import { choose, parseOptions } from "./parse-options.ts";

describe("the command line", () => {
  it("chooses workloads, paths and how long", () => {
    const options = parseOptions([
      "--only",
      "small-get,fresh",
      "--paths",
      "haproxy",
      "--seconds",
      "3",
      "--rounds",
      "1",
    ]);
    expect(options).toMatchObject({ only: ["small-get", "fresh"], paths: ["haproxy"], seconds: 3, rounds: 1 });
  });

  it.each(["0", "-1", "1.5", "x", ""])("is refused with --seconds=%j", (seconds) => {
    expect(() => parseOptions([`--seconds=${seconds}`])).toThrow(/--seconds is a whole number/);
  });
});

describe("choosing by name", () => {
  const all = [{ name: "a" }, { name: "b" }, { name: "c" }];
  it.each([
    { names: [], expected: "abc" },
    { names: ["c", "a"], expected: "ac" },
  ])("$names gives $expected, in the list's order", ({ names, expected }) => {
    expect(
      choose(all, names)
        .map(({ name }) => name)
        .join(""),
    ).toBe(expected);
  });

  it("names what there is when asked for something else", () => {
    expect(() => choose(all, ["a", "d"])).toThrow("there is no d; choose from a, b, c");
  });
});
