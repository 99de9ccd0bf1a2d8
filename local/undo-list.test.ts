import { describe, expect, it } from "vitest";
import { createUndoList } from "./undo-list.ts";

describe("an undo list", () => {
  it("runs the newest step first, and each step once", async () => {
    const done: string[] = [];
    const undo = createUndoList();
    undo.add(() => void done.push("first"));
    undo.add(async () => void done.push("second"));
    await Promise.all([undo.run(), undo.run()]);
    await undo.run();
    expect(done).toEqual(["second", "first"]);
  });

  it("runs all steps even if some fail, and reports the failures", async () => {
    const done: string[] = [];
    const undo = createUndoList();
    undo.add(() => void done.push("first"));
    undo.add(() => Promise.reject(new Error("no")));
    undo.add(() => {
      throw new Error("nor this");
    });
    await expect(undo.run()).rejects.toThrow("nor this; Error: no");
    expect(done).toEqual(["first"]);
  });
});
