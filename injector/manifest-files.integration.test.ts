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

describe("what -f names", () => {
  it("is read in its order: files, the manifests of folders by name, and standard input", async () => {
    expect(await read(join(folder, "notes.txt"), "-", folder)).toEqual([
      ["notes.txt", "notes.txt"],
      ["standard input", "from a pipe"],
      ["a.yaml", "a.yaml"],
      ["b.yml", "b.yml"],
      ["c.json", "c.json"],
    ]);
  });

  it("is read to the letter", async () => {
    expect(await read(join(folder, "bom"))).toEqual([["bom", "\ufeffa: 1\r\n"]]);
  });

  it.each([
    { name: "what is not there", paths: ["none"], said: /cannot read .*none: there is no such file or folder/ },
    { name: "a folder without manifests", paths: ["empty"], said: /the folder .*empty holds no \.yaml/ },
    { name: "what is not text", paths: ["latin1"], said: /latin1: it is not UTF-8/ },
  ])("is named in the error where it is $name", async ({ paths, said }) => {
    await expect(read(...paths.map((path) => join(folder, path)))).rejects.toThrow(said);
  });

  it("may name standard input once", async () => {
    await expect(read("-", "-")).rejects.toThrow(/give -f - once/);
  });
});

describe("texts that are joined", () => {
  it.each([
    { name: "one alone stays as it is", texts: ["a: 1"], joined: "a: 1" },
    { name: "get a line of dashes between them", texts: ["a: 1", "b: 2\n"], joined: "a: 1\n---\nb: 2\n" },
    { name: "get none where there is one", texts: ["a: 1\n", "# c\n\n---\nb: 2"], joined: "a: 1\n# c\n\n---\nb: 2" },
    { name: "may be empty", texts: ["", "a: 1\n"], joined: "---\na: 1\n" },
  ])("$name", ({ texts, joined }) => {
    expect(joinManifests(texts)).toBe(joined);
  });
});
