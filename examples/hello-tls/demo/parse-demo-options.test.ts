import { describe, expect, it } from "vitest";
import { parseDemoOptions } from "./parse-demo-options.ts";

const PARTS = ["a", "b", "c"].map((letter) => ({ letter, title: `part ${letter}` }));

describe("the demo's command line", () => {
  it.each([
    { name: "no option: all parts", args: [], letters: "abc" },
    { name: "one part", args: ["--only", "b"], letters: "b" },
    { name: "several, in the order of the report", args: ["--only=c,a"], letters: "ac" },
  ])("$name", ({ args, letters }) => {
    const choice = parseDemoOptions(args, PARTS);
    expect(choice.kind === "run" && choice.checks.map(({ letter }) => letter).join("")).toBe(letters);
  });

  it.each([
    { name: "an unknown part", args: ["--only", "b,x"], text: '--only must be letters of parts (a,b,c), got "x"' },
    { name: "no part", args: ["--only", ""], text: '--only must be letters of parts (a,b,c), got ""' },
    { name: "an unknown option", args: ["--all"], text: "--all" },
  ])("$name is refused with the usage", ({ args, text }) => {
    const choice = parseDemoOptions(args, PARTS);
    expect(choice).toMatchObject({ kind: "usage", status: 2, text: expect.stringContaining(text) });
    expect(choice).toMatchObject({ text: expect.stringContaining("Usage: npm run demo") });
  });

  it("--help prints the usage, with a line for each part", () => {
    const text = expect.stringContaining("  a  part a\n  b  part b\n  c  part c\n");
    expect(parseDemoOptions(["--help"], PARTS)).toMatchObject({ kind: "usage", status: 0, text });
  });
});
