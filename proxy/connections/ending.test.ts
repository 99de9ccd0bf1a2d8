import { describe, expect, it } from "vitest";
import { Ending } from "./ending.ts";

describe("an ending", () => {
  it("reaches each listener once, with the first report", () => {
    const ending = new Ending<string>();
    const heard: string[] = [];
    ending.onEnd((end) => heard.push(`first ${end}`));
    ending.onEnd((end) => heard.push(`second ${end}`));
    expect(ending.isOver).toBe(false);
    ending.report("closed");
    ending.report("reset");
    expect([heard, ending.isOver]).toEqual([["first closed", "second closed"], true]);
  });

  it("reaches a listener that comes late at once", () => {
    const ending = new Ending<string>();
    ending.report("closed");
    const heard: string[] = [];
    ending.onEnd((end) => heard.push(end));
    expect(heard).toEqual(["closed"]);
  });
});
