import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const CHECK = fileURLToPath(new URL("check.ts", import.meta.url));

it.each([
  { name: "--help prints the usage", args: ["--help"], status: 0 },
  { name: "an unknown argument is refused", args: ["--all"], status: 2 },
])("$name, and no check runs", ({ args, status }) => {
  // Without a PATH, a check that runs would fail at once.
  const result = spawnSync(process.execPath, [CHECK, ...args], { encoding: "utf8", env: { PATH: "" } });
  expect(result.status).toBe(status);
  expect(`${result.stdout}${result.stderr}`).toContain("Usage: npm run check");
  expect(result.stdout).not.toContain("failed");
});
