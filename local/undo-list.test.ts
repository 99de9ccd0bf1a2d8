import { describe, expect, it } from "vitest";
import { createUndoList } from "./undo-list.ts";

describe("what is taken back", () => {
  it("is taken back newest first, and once however often it is asked for", async () => {
    const done: string[] = [];
    const undo = createUndoList();
    undo.add(() => void done.push("first"));
    undo.add(async () => void done.push("second"));
    await Promise.all([undo.run(), undo.run()]);
    await undo.run();
    expect(done).toEqual(["second", "first"]);
  });

  it("is taken back to the end although some of it fails, and the failures are told", async () => {
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
