import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bundleImage } from "./bundle-image.ts";

/** Outside the development tree, so that only its own node_modules is found. */
const ROOT = mkdtempSync(join(tmpdir(), "entente-image-"));
const PROGRAM = join(ROOT, "opt", "entente.mjs");

beforeAll(async () => {
  chmodSync(ROOT, 0o755);
  mkdirSync(join(ROOT, "empty"));
  await bundleImage(join(ROOT, "opt"));
});

afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

function run(...args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
    cwd: join(ROOT, "empty"),
    env: { NODE_ENV: "production", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    encoding: "utf8",
  });
  return { status, output: `${stdout}${stderr}` };
}

describe("the bundle in a separate folder, as in the image", () => {
  const listed = (): readonly string[] =>
    [...run("--help").output.matchAll(/^ {2}(\S+) {2,}\S/gm)].map(([, name = ""]) => name);

  it("contains the bundle, what koffi needs at run time, and nothing else", () => {
    const folder = join(ROOT, "opt");
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
      (name) => !statSync(join(folder, name)).isDirectory(),
    );
    const needed = /^[^/]+\.mjs$|^node_modules\/(?:koffi|@koromix\/koffi-[^/]+)\/(?:.*\.(?:c?js|json|node)|LICENSE.*)$/;
    expect(files).toContain("entente.mjs");
    expect(files.filter((name) => !needed.test(name))).toEqual([]);
  });

  it("lists the commands of every part in its help", () => {
    const parts = ["proxy", "control-plane", "injector", "inject", "capture", "local", "install", "uninstall"];
    expect(listed()).toEqual(expect.arrayContaining(parts));
  });

  it("can load every command that it lists", () => {
    for (const command of listed()) {
      const { status, output } = run(command, "--help");
      expect(output).toContain(`entente ${command}`);
      expect(status).toBe(0);
    }
  });
});
