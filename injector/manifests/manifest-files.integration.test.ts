import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { joinManifests, readManifestFiles } from "./manifest-files.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-manifests-"));
  mkdirSync(join(folder, "empty"));
  for (const name of ["b.yml", "a.yaml", "c.json", ".hidden.yaml", "notes.txt", "empty/d.txt"]) {
    writeFileSync(join(folder, name), name);
  }
  writeFileSync(join(folder, "latin1"), Buffer.from([0x61, 0xe4]));
  writeFileSync(join(folder, "bom"), "\ufeffa: 1\r\n");
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function read(...paths: readonly string[]): Promise<readonly (readonly [string, string])[]> {
  const files = await readManifestFiles(paths, Readable.from([Buffer.from("from a pipe")]));
  return files.map(({ file, text }) => [file.replace(`${folder}/`, ""), text]);
}

describe("the paths of -f", () => {
  it("are read in the given order: files, the manifests of folders by name, and standard input", async () => {
    expect(await read(join(folder, "notes.txt"), "-", folder)).toEqual([
      ["notes.txt", "notes.txt"],
      ["standard input", "from a pipe"],
      ["a.yaml", "a.yaml"],
      ["b.yml", "b.yml"],
      ["c.json", "c.json"],
    ]);
  });

  it("are read byte for byte", async () => {
    expect(await read(join(folder, "bom"))).toEqual([["bom", "\ufeffa: 1\r\n"]]);
  });

  it.each([
    { name: "a missing file", paths: ["none"], expected: /cannot read .*none: there is no such file or folder/ },
    { name: "a folder without manifests", paths: ["empty"], expected: /the folder .*empty contains no \.yaml/ },
    { name: "a file that is not text", paths: ["latin1"], expected: /latin1: it is not UTF-8/ },
  ])("are named in the error if one is $name", async ({ paths, expected }) => {
    await expect(read(...paths.map((path) => join(folder, path)))).rejects.toThrow(expected);
  });

  it("may include standard input once", async () => {
    await expect(read("-", "-")).rejects.toThrow(/use -f - once/);
  });
});

describe("joined manifests", () => {
  it.each([
    { name: "stay unchanged if there is one", texts: ["a: 1"], joined: "a: 1" },
    { name: "get a line of dashes between them", texts: ["a: 1", "b: 2\n"], joined: "a: 1\n---\nb: 2\n" },
    { name: "get no second line of dashes", texts: ["a: 1\n", "# c\n\n---\nb: 2"], joined: "a: 1\n# c\n\n---\nb: 2" },
    { name: "may be empty", texts: ["", "a: 1\n"], joined: "---\na: 1\n" },
  ])("$name", ({ texts, joined }) => {
    expect(joinManifests(texts)).toBe(joined);
  });
});
