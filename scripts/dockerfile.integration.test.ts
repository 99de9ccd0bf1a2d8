import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { VERSION } from "../cli/version.ts";
import { PROXY_ID } from "../injector/capture/capture-options.ts";
import { bundleImage, IMAGE_FOLDER } from "./bundle-image.ts";
import { parseDockerfile } from "./dockerfile-fixture.ts";

const STAGES = parseDockerfile(readFileSync("Dockerfile", "utf8"));
const IGNORED = readFileSync(".dockerignore", "utf8").split("\n").filter(Boolean);
const [BUILD, IMAGE] = STAGES;
if (BUILD === undefined || IMAGE === undefined) throw new Error("the Dockerfile has two stages");

/** Where the image's own folder is on this machine. */
const ROOT = mkdtempSync(join(tmpdir(), "entente-dockerfile-"));
const FOLDER = "/opt/entente";

beforeAll(async () => {
  mkdirSync(join(ROOT, "opt"));
  await bundleImage(join(ROOT, FOLDER));
});
afterAll(() => rmSync(ROOT, { recursive: true, force: true }));

function start(program: string, args: readonly string[]): { readonly status: number | null; readonly output: string } {
  const options = { cwd: ROOT, env: { NODE_ENV: "production", PATH: process.env["PATH"] }, encoding: "utf8" } as const;
  const { status, stdout, stderr } = spawnSync(program, args, options);
  return { status, output: `${stdout}${stderr}` };
}

describe("the Dockerfile", () => {
  it("copies only files that exist, and installs before it copies the sources", () => {
    const fromRepository = BUILD.copies.filter(({ from }) => from === undefined);
    expect(fromRepository.map(({ sources }) => sources)).toEqual([
      ["package.json", "package-lock.json", ".npmrc"],
      ["."],
    ]);
    for (const source of fromRepository.flatMap(({ sources }) => sources)) {
      expect(existsSync(source), source).toBe(true);
      expect(IGNORED).not.toContain(source);
    }
    expect(IGNORED).toEqual(expect.arrayContaining([".git", "node_modules", "dist"]));
    expect(BUILD.commands[0]).toMatch(/^npm ci --include=optional /);
  });

  it("takes from the build only the bundle and the license: nothing of the development tree", () => {
    expect(STAGES).toHaveLength(2);
    expect(IMAGE.copies).toEqual([
      { from: BUILD.name, sources: [`${BUILD.workdir}/${IMAGE_FOLDER}`], destination: FOLDER },
      { from: BUILD.name, sources: [`${BUILD.workdir}/LICENSE`], destination: `${FOLDER}/` },
    ]);
    expect(BUILD.commands.at(-1)).toMatch(/^node scripts\/bundle\.ts && /);
    expect(existsSync("LICENSE")).toBe(true);
  });

  it("runs as the user whose traffic is not captured", () => {
    expect(IMAGE.user).toBe(`${PROXY_ID}:${PROXY_ID}`);
    expect(IMAGE.commands.join()).toContain(`entente:x:${PROXY_ID}:${PROXY_ID}:`);
  });

  it("has an entry point that runs the bundle, with the arguments of the Dockerfile and those of a pod", () => {
    const [program = "", ...args] = IMAGE.entrypoint.map((word) => word.replace(FOLDER, join(ROOT, FOLDER)));
    expect(program).toBe("node");
    expect(start(program, [...args, "version", "--client"])).toEqual({ status: 0, output: `client: ${VERSION}\n` });
    expect(start(program, [...args, ...IMAGE.cmd])).toMatchObject({
      status: 0,
      output: expect.stringContaining("proxy"),
    });
  });

  it("has the command `entente` on the path, for the hooks of pods", () => {
    const [, target = "", link = ""] = /ln -s (\S+) (\S+);/.exec(IMAGE.commands.join()) ?? [];
    expect([target, link]).toEqual([`${FOLDER}/entente.mjs`, "/usr/local/bin/entente"]);
    const command = join(ROOT, "entente");
    symlinkSync(join(ROOT, target), command);
    expect(start(command, ["version", "--client"])).toEqual({ status: 0, output: `client: ${VERSION}\n` });
  });
});

/** Opt-in, described in the README of this folder: it takes minutes and the network. */
const BASE = process.env["ENTENTE_BUILD_IMAGE"] ?? "";
const BUILD_OPTIONS = (process.env["ENTENTE_BUILDAH_OPTIONS"] ?? "").split(" ").filter(Boolean);
const BUILDAH_ENV = { BUILDAH_ISOLATION: "chroot", ...process.env };

function buildah(...args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync("buildah", args, { encoding: "utf8", env: BUILDAH_ENV });
  if (status !== 0) throw new Error(`buildah ${args[0]} ended with ${status}: ${stderr.slice(-2000)}`);
  return stdout.trim();
}

describe.skipIf(BASE === "")("the image, built by buildah", () => {
  it("runs as its user, prints its version, and has what the init container needs", () => {
    const tag = `localhost/entente-test-${process.pid}`;
    buildah("build", "-q", ...BUILD_OPTIONS, "--build-arg", `NODE_IMAGE=${BASE}`, "-t", tag, ".");
    const container = buildah("from", "--pull-never", tag);
    try {
      expect(buildah("run", container, "--", ...IMAGE.entrypoint, "version", "--client")).toBe(`client: ${VERSION}`);
      expect(buildah("run", container, "--", "entente", "version", "--client")).toBe(`client: ${VERSION}`);
      expect(buildah("run", container, "--", "id", "-u")).toBe(String(PROXY_ID));
      const programs = ["iptables-restore", "ip6tables-restore", "ip"].map((name) => `command -v ${name}`).join(" && ");
      expect(buildah("run", container, "--", "sh", "-c", `PATH=$PATH:/usr/sbin:/sbin; ${programs}`)).toContain(
        "iptables",
      );
      expect(buildah("run", container, "--", "sh", "-c", "ls /src /opt/entente/scripts 2>/dev/null; true")).toBe("");
    } finally {
      buildah("rm", container);
      buildah("rmi", tag);
    }
  }, 1_800_000);
});
