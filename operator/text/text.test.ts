import { describe, expect, it } from "vitest";
import { formatDuration } from "./duration.ts";
import { choosePalette, PLAIN, printable, printableLine } from "./palette.ts";
import { formatTable } from "./text-table.ts";

describe("a table", () => {
  it("aligns its columns and ends no line with spaces", () => {
    const rows = [
      ["NAME", "STATE"],
      ["a", ""],
      ["longer", "ok"],
    ];
    expect(formatTable(rows)).toBe("NAME    STATE\na\nlonger  ok\n");
  });

  it("aligns coloured cells like plain ones", () => {
    const { bad } = choosePalette({ isTerminal: true, env: {} });
    const table = formatTable([
      [bad("no"), "x"],
      ["yes", "y"],
    ]);
    expect(table).toBe(`${bad("no")}   x\nyes  y\n`);
  });
});

describe("colours", () => {
  it.each([
    { name: "without a terminal", isTerminal: false, env: {}, plain: true },
    { name: "with NO_COLOR", isTerminal: true, env: { NO_COLOR: "1" }, plain: true },
    { name: "on a dumb terminal", isTerminal: true, env: { TERM: "dumb" }, plain: true },
    { name: "with an empty NO_COLOR", isTerminal: true, env: { NO_COLOR: "" }, plain: false },
    { name: "on a terminal", isTerminal: true, env: { TERM: "xterm" }, plain: false },
  ])("$name: plain is $plain", ({ isTerminal, env, plain }) => {
    expect(choosePalette({ isTerminal, env }) === PLAIN).toBe(plain);
  });
});

it("a text's control characters are shown, not sent to the terminal", () => {
  expect(printable("a\u001b[2Jb\u009bc\td\n\u007f\u202e")).toBe("a\\x1b[2Jb\\x9bc\td\n\\x7f\\u{202e}");
  expect(printableLine("é\u001b[2J\nweb-0\r\t\u2028")).toBe("é\\x1b[2J\\x0aweb-0\\x0d\\x09\\u{2028}");
});

it.each([
  [0, "0s"],
  [999, "0s"],
  [61_000, "1m1s"],
  [3_600_000, "1h"],
  [90_061_000, "1d1h"],
  [86_400_000 + 5000, "1d"],
])("%d ms are shown as %s", (durationMs, text) => {
  expect(formatDuration(durationMs)).toBe(text);
});
