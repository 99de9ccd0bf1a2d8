import { expect, it } from "vitest";
import { latencyOf } from "./load-result.ts";

const range = (count: number): readonly number[] => Array.from({ length: count }, (_, index) => count - index);

it.each([
  { name: "a hundred values", values: range(100), expected: { p50: 50, p90: 90, p99: 99 } },
  { name: "ten values", values: range(10), expected: { p50: 5, p90: 9, p99: 10 } },
  { name: "one value", values: [7], expected: { p50: 7, p90: 7, p99: 7 } },
  { name: "no value", values: [], expected: undefined },
])("percentiles of $name are values that occurred", ({ values, expected }) => {
  expect(latencyOf(values)).toEqual(expected);
});
