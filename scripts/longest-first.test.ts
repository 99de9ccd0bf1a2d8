import { expect, it } from "vitest";
import { createVitest } from "vitest/node";
import { LONG, LongestFirst } from "./longest-first.ts";

it("the long files of a project begin before its others, and each of them exists", async () => {
  const vitest = await createVitest("test", { watch: false, project: ["netns"] });
  try {
    const files = await vitest.globTestSpecifications();
    const sorted = await new LongestFirst(vitest).sort(files);
    expect(sorted.length).toBe(files.length);
    const first = sorted.slice(0, LONG.length).map(({ moduleId }) => moduleId.slice(process.cwd().length + 1));
    expect(first.sort()).toEqual([...LONG].sort());
  } finally {
    await vitest.close();
  }
});
