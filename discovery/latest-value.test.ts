import { describe, expect, it } from "vitest";
import { LatestValue } from "./latest-value.ts";

describe("LatestValue", () => {
  it("gives a slow reader only the newest value", async () => {
    const latest = new LatestValue<number>();
    const reader = latest[Symbol.asyncIterator]();
    latest.set(1);
    expect(await reader.next()).toEqual({ value: 1, done: false });
    for (const value of [2, 3, 4]) latest.set(value);
    expect(await reader.next()).toEqual({ value: 4, done: false });
  });

  it("wakes a waiting reader", async () => {
    const latest = new LatestValue<string>();
    const next = latest[Symbol.asyncIterator]().next();
    latest.set("now");
    expect(await next).toEqual({ value: "now", done: false });
  });

  it("ends a waiting reader, and accepts no value afterwards", async () => {
    const latest = new LatestValue<string>();
    const reader = latest[Symbol.asyncIterator]();
    const next = reader.next();
    latest.end();
    latest.set("late");
    expect((await next).done).toBe(true);
    expect((await reader.next()).done).toBe(true);
  });

  it("throws the first error that ended it, in preference to an unread value", async () => {
    const latest = new LatestValue<string>();
    latest.set("unread");
    latest.end(new Error("first"));
    latest.end(new Error("second"));
    await expect(latest[Symbol.asyncIterator]().next()).rejects.toThrow("first");
  });
});
