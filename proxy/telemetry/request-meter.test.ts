import { expect, it } from "vitest";
import { formatFlags } from "./request-meter.ts";

it.each([
  { end: "-", marks: "", text: "-" },
  { end: "UF", marks: "", text: "UF" },
  { end: "-", marks: "DI", text: "DI" },
  { end: "-", marks: "URX", text: "URX" },
  { end: "FI", marks: "DI", text: "DI,FI" },
  { end: "UF", marks: "URX", text: "UF,URX" },
  { end: "DC", marks: "DI", text: "DI,DC" },
  { end: "UT", marks: "DI URX", text: "UT,DI,URX" },
] as const)("a request that ends with $end and is marked $marks has Envoy's flags $text", ({ end, marks, text }) => {
  expect(formatFlags(end, { isDelayed: marks.includes("DI"), isRetryLimitExceeded: marks.includes("URX") })).toBe(text);
});
