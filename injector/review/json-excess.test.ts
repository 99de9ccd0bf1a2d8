import { describe, expect, it } from "vitest";
import { findJsonExcess } from "./json-excess.ts";

const repeat = (text: string, count: number): string => text.repeat(count);

describe("a JSON text", () => {
  it.each([
    { name: "arrays in arrays", text: repeat("[", 1000) + repeat("]", 1000), expected: "500 levels" },
    { name: "objects in objects", text: `${repeat('{"a":', 1000)}1${repeat("}", 1000)}`, expected: "500 levels" },
    { name: "empty objects", text: `[${repeat("{},", 900_000)}{}]`, expected: "800000 values" },
    { name: "numbers", text: `[${repeat("1,", 900_000)}1]`, expected: "800000 values" },
    { name: "members", text: `{${repeat('"a":1,', 900_000)}"b":1}`, expected: "800000 values" },
    {
      name: "values after a string of quotes",
      text: `["${repeat('\\"', 9)}",${repeat("[],", 900_000)}1]`,
      expected: "values",
    },
    {
      name: "values after a string that ends with a backslash",
      text: `["\\\\",${repeat("1,", 900_000)}1]`,
      expected: "values",
    },
  ])("with too many $name is named", ({ text, expected }) => {
    expect(() => JSON.parse(text)).not.toThrow();
    expect(findJsonExcess(text)).toContain(expected);
  });

  it.each([
    { name: "with the punctuation of JSON in its strings", text: JSON.stringify([repeat('[{,"\\', 300_000)]) },
    {
      name: "of 20,000 variables",
      text: JSON.stringify(Array.from({ length: 20_000 }, () => ({ name: "n", value: "v" }))),
    },
    { name: "with many siblings at one depth", text: JSON.stringify(Array.from({ length: 5000 }, () => [[[]]])) },
    { name: "whose string never ends", text: `["${repeat("[", 5000)}` },
  ])("$name is not", ({ text }) => {
    expect(findJsonExcess(text)).toBeUndefined();
  });

  it("of 8 MB is judged faster than any of it could be parsed", () => {
    const text = `["${repeat('\\"', 4_000_000)}"]`;
    const before = process.cpuUsage();
    expect(findJsonExcess(text)).toBeUndefined();
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(2000);
  });
});
