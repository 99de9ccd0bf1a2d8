import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { choose, parseOptions } from "./parse-options.ts";
import { PATH_WORKLOADS } from "./path-workloads.ts";
import { PATH_KINDS } from "./paths/path-kinds.ts";
import { POD_WORKLOADS } from "./pods/pod-workloads.ts";

const README = readFileSync(new URL("README.md", import.meta.url), "utf8");
const WORKLOADS = [...PATH_WORKLOADS, ...POD_WORKLOADS];

describe("the README", () => {
  const commands = [...README.matchAll(/^npm run bench -- ([^#\n]+)/gm)].map(([, args]) => args ?? "");

  it("has commands", () => {
    expect(commands.length).toBeGreaterThan(2);
  });

  it.each(commands)("shows a command that works: %s", (args) => {
    const { only, paths } = parseOptions(args.trim().split(/ +/));
    expect(choose(WORKLOADS, only).length).toBeGreaterThan(0);
    expect(choose(PATH_KINDS, paths).length).toBeGreaterThan(0);
  });

  it.each([...WORKLOADS, ...PATH_KINDS])("describes $name", ({ name }) => {
    expect(README).toContain(`\`${name}\``);
  });
});
