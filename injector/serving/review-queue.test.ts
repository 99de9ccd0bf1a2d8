import { describe, expect, it } from "vitest";
import { createReviewQueue } from "./review-queue.ts";

const always = (): boolean => true;

describe("the reviews of several clients", () => {
  it("take turns: a flood of one client delays another by one review", async () => {
    const queue = createReviewQueue();
    const order: string[] = [];
    const run = (client: string, name: string) => queue.run(client, () => order.push(name), always);
    const flood = Array.from({ length: 100 }, (_, index) => run("10.0.0.66", `flood ${index}`));
    await Promise.all([run("10.0.0.1", "pod 1"), run("10.0.0.1", "pod 2")]);
    expect(order.indexOf("pod 1")).toBeLessThanOrEqual(2);
    expect(order.indexOf("pod 2")).toBeLessThanOrEqual(4);
    await Promise.all(flood);
    expect(order.filter((name) => name.startsWith("flood"))).toEqual(
      Array.from({ length: 100 }, (_, index) => `flood ${index}`),
    );
  });

  it("let others work between two of them", async () => {
    const queue = createReviewQueue();
    let isOver = false;
    const all = Promise.all(Array.from({ length: 3 }, () => queue.run("a", () => isOver, always)));
    setImmediate(() => {
      isOver = true;
    });
    const seen = await all;
    expect([seen.at(0), seen.at(-1)]).toEqual([false, true]);
  });

  it("are not run for a client that has gone", async () => {
    const queue = createReviewQueue();
    let runs = 0;
    const review = (): number => {
      runs += 1;
      return runs;
    };
    expect(await queue.run("a", review, () => false)).toBeUndefined();
    expect(runs).toBe(0);
  });

  it("fail alone, and the next ones are run", async () => {
    const queue = createReviewQueue();
    const failing = queue.run(
      "a",
      () => {
        throw new Error("broken");
      },
      always,
    );
    const next = queue.run("a", () => "reviewed", always);
    await expect(failing).rejects.toThrow("broken");
    expect(await next).toBe("reviewed");
    expect(await queue.run("a", () => "later", always)).toBe("later");
  });
});
