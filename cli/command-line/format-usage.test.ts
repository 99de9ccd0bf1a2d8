import { describe, expect, it } from "vitest";
import type { CommandDescription } from "./command-description.ts";
import { formatUsage } from "./format-usage.ts";

const DESCRIPTION: CommandDescription = {
  forms: ["up -f FILE", "down"],
  text: "\nRuns it.",
  options: {
    file: { type: "string", short: "f", multiple: true, value: "FILE", help: "what to run" },
    port: { type: "string", default: "80", value: "PORT", help: "where", heading: "Network" },
    "a-name-that-is-longer-than-the-column": { type: "string", choices: ["a", "b"], help: "word ".repeat(40).trim() },
  },
  notes: "The end.",
};

describe("the text of --help", () => {
  const text = formatUsage("thing", DESCRIPTION);

  it("has a line for each form, then the text, the options and the notes", () => {
    const places = ["Usage: entente thing up -f FILE\n       entente thing down\n\nRuns it.", "--file", "The end.\n"];
    expect(places.map((place) => text.indexOf(place)).every((at, i, all) => at >= 0 && at >= (all[i - 1] ?? 0))).toBe(
      true,
    );
  });

  it("shows an option's letter, value and repetition, its default and its heading", () => {
    expect(text).toMatch(/^ {2}-f, --file FILE {2}what to run; may be given several times$/m);
    expect(text).toMatch(/^ {2}Network:\n {6}--port PORT {2}where \(80\)$/m);
  });

  it("puts a long name on a line of its own, and breaks lines at 120 columns", () => {
    expect(text).toMatch(/^ {6}--a-name-that-is-longer-than-the-column a\|b\n {19}word word/m);
    expect(Math.max(...text.split("\n").map((line) => line.length))).toBeLessThanOrEqual(120);
  });
});
