import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

interface LockedPackage {
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

it("the lock file contains every package for every platform, so that npm ci works", () => {
  const { packages }: { readonly packages: Readonly<Record<string, LockedPackage>> } = JSON.parse(
    readFileSync("package-lock.json", "utf8"),
  );
  const paths = Object.keys(packages);
  const missing = Object.entries(packages).flatMap(([path, { dependencies, optionalDependencies }]) =>
    Object.keys({ ...dependencies, ...optionalDependencies })
      .filter((name) => !paths.some((one) => one === `node_modules/${name}` || one.endsWith(`/node_modules/${name}`)))
      .map((name) => `${path} needs ${name}`),
  );
  expect(paths.length).toBeGreaterThan(100);
  expect(missing).toEqual([]);
});
