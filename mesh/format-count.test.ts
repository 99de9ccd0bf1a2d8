import { expect, it } from "vitest";
import { formatCount } from "./format-count.ts";

it.each([
  [0, "0 pods"],
  [1, "1 pod"],
  [2, "2 pods"],
])("%i pods are %s", (count, text) => {
  expect(formatCount(count, "pod")).toBe(text);
});

it("a verb agrees with the number", () => {
  const texts = [1, 2].map((count) => formatCount(count, "identity is", "identities are"));
  expect(texts).toEqual(["1 identity is", "2 identities are"]);
});
