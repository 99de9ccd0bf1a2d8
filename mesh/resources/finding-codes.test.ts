import { describe, expect, it } from "vitest";
import { FINDING_CODES } from "./finding-codes.ts";

describe("the codes of findings", () => {
  const codes = Object.values(FINDING_CODES);

  it("are Istio's or our own, and each is used once", () => {
    for (const code of codes) expect(code).toMatch(/^(IST|ENT)\d{4}$/);
    expect(new Set(codes).size).toBe(codes.length);
  });

  it("of our own are numbered without a gap", () => {
    const own = codes.filter((code) => code.startsWith("ENT")).sort();
    expect(own).toEqual(own.map((_, index) => `ENT${String(index + 1).padStart(4, "0")}`));
  });
});
