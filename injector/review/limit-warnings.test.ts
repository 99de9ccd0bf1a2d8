import { describe, expect, it } from "vitest";
import { limitWarnings } from "./limit-warnings.ts";

const sizes = (warnings: readonly string[]) => warnings.map((warning) => Buffer.byteLength(warning));

describe("warnings", () => {
  it("that fit are passed on unchanged", () => {
    const warnings = Array.from({ length: 16 }, () => "x".repeat(256));
    expect(limitWarnings(warnings)).toEqual(warnings);
  });

  it.each(["x".repeat(257), "ü".repeat(200), `${"x".repeat(252)}😀😀`])(
    "that are too long are cut to 256 bytes at a character's end",
    (warning) => {
      const [cut = ""] = limitWarnings([warning]);
      expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(256);
      expect(cut).toMatch(/…$/);
      expect(warning.startsWith(cut.slice(0, -1))).toBe(true);
      expect(cut.isWellFormed()).toBe(true);
    },
  );

  it("that are too many end with the number of the others, within 4 KB", () => {
    const limited = limitWarnings(Array.from({ length: 100 }, (_, i) => `${i}`.padEnd(300, "x")));
    expect(sizes(limited).reduce((sum, size) => sum + size)).toBeLessThanOrEqual(4096);
    expect(limited.at(-1)).toBe(`${100 - (limited.length - 1)} more warnings are not shown`);
  });
});
