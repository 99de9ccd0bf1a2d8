import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parseInstallValues } from "../install/values/parse-values.ts";
import { VERSION } from "./version.ts";

it("the program has the version of its package", () => {
  expect(JSON.parse(readFileSync("package.json", "utf8"))).toMatchObject({ version: VERSION });
});

it("an installation has the image of its own version", () => {
  expect(parseInstallValues().image).toBe(`entente:${VERSION}`);
});
