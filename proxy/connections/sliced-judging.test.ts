import { expect, it } from "vitest";
import { SlicedJudging } from "./sliced-judging.ts";

it("judges what is added after a run without anything to do", async () => {
  const judged: string[] = [];
  const judging = new SlicedJudging<string>((subject) => judged.push(subject));
  await judging.run();
  judging.add("first");
  await judging.run();
  judging.add("second");
  await judging.run();
  expect(judged).toEqual(["first", "second"]);
});

it("judges what is added while it runs before the run is over", async () => {
  const judged: number[] = [];
  const judging = new SlicedJudging<number>((subject) => {
    judged.push(subject);
    if (subject < 3) judging.add(subject + 1);
    return 1000;
  });
  judging.add(1);
  await judging.run();
  expect(judged).toEqual([1, 2, 3]);
});
