import { describe, expect, it } from "vitest";
import { formatTable } from "./format-table.ts";
import { createTextStyle } from "./text-style.ts";

describe("formatTable", () => {
  it("makes each column as wide as its widest cell", () => {
    expect(
      formatTable(
        ["hop", "security"],
        [
          ["hello → world", "TLSv1.3"],
          ["a", "plaintext"],
        ],
      ),
    ).toEqual([
      "hop            security",
      "─────────────  ─────────",
      "hello → world  TLSv1.3",
      "a              plaintext",
    ]);
  });

  it("does not count colours as width", () => {
    const style = createTextStyle({ isTerminal: true, noColor: undefined });
    const [, , first, second] = formatTable(
      ["a", "b"],
      [
        [style("good", "yes"), "x"],
        ["maybe", "y"],
      ],
    );
    expect(first).toBe(`${style("good", "yes")}    x`);
    expect(second).toBe("maybe  y");
  });

  it("fills a short row with nothing", () => {
    expect(formatTable(["a", "b"], [["only"]])).toEqual(["a     b", "────  ─", "only"]);
  });
});

describe("createTextStyle", () => {
  it.each([
    { name: "a terminal gets colour", isTerminal: true, noColor: undefined, coloured: true },
    { name: "an empty NO_COLOR counts as not set", isTerminal: true, noColor: "", coloured: true },
    { name: "NO_COLOR is honoured", isTerminal: true, noColor: "1", coloured: false },
    { name: "a pipe gets none", isTerminal: false, noColor: undefined, coloured: false },
  ])("$name", ({ isTerminal, noColor, coloured }) => {
    const text = createTextStyle({ isTerminal, noColor })("bad", "no");
    expect(text).toBe(coloured ? "\u001b[31mno\u001b[39m" : "no");
  });
});
