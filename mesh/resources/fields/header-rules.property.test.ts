import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { foldHeaderName, foldsTo } from "./header-rules.ts";

const character = fc.constantFrom(..."aAzZ09-_.x@[`{ \xc0\xff".split(""));
const name = fc.array(character, { minLength: 1, maxLength: 6 }).map((characters) => characters.join(""));

describe("foldsTo", () => {
  it("agrees with foldHeaderName, wherever the name stands in a text", () => {
    fc.assert(
      fc.property(name, name, name, (before, written, other) => {
        const text = `${before}${written}: v`;
        const at = [text, before.length, before.length + written.length] as const;
        expect(foldsTo(...at, foldHeaderName(written))).toBe(true);
        expect(foldsTo(...at, foldHeaderName(other))).toBe(foldHeaderName(written) === foldHeaderName(other));
      }),
    );
  });
});
