import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { describe, expect, it } from "vitest";

const FILES = spawnSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { encoding: "utf8" })
  .stdout.split("\n")
  .filter((file) => file !== "");

/** A file as prose names it, with or without its folders; patterns such as `*.test.ts` are none. */
const FILE_NAME = /(?<![\w./@*-])((?:[\w-]+\/)*\w[\w.-]*\.(?:ts|md|proto|lua))(?![\w/-])/g;
/** Documents of the workplace, not of the project: a reader of the project cannot open them. */
const OUTSIDE_DOCUMENT = /\b(?:DESIGN|STYLE)\b(?!\.md)(?=[,.:;) ])|\bfacts\b(?:\/|: )/;

interface Prose {
  readonly file: string;
  readonly text: string;
}

/** The comments of a source file, or a whole document. */
function readProse(file: string): Prose | undefined {
  if (file.includes("/gen/")) return undefined;
  if (file.endsWith(".md") && !file.endsWith(".fixture.md")) return { file, text: readFileSync(file, "utf8") };
  if (!file.endsWith(".ts")) return undefined;
  const comments = readFileSync(file, "utf8").match(/\/\*[\s\S]*?\*\/|(?<=^|\s)\/\/.*$/gm) ?? [];
  return { file, text: comments.join("\n") };
}

const PROSE = FILES.flatMap((file) => readProse(file) ?? []);

describe("references in comments and documents", () => {
  it("are checked on real files", () => {
    expect(PROSE.length).toBeGreaterThan(300);
  });

  it("name only files of the repository", () => {
    const names = new Set(FILES.map((file) => basename(file)));
    const isKnown = (name: string): boolean =>
      name.includes("/") ? FILES.some((file) => file === name || file.endsWith(`/${name}`)) : names.has(name);
    const dangling = PROSE.flatMap(({ file, text }) =>
      [...text.matchAll(FILE_NAME)].flatMap(([, name = ""]) => (isKnown(name) ? [] : [`${file}: ${name}`])),
    );
    expect(dangling).toEqual([]);
  });

  it("do not cite documents outside the repository", () => {
    const outside = PROSE.flatMap(({ file, text }) =>
      text.split("\n").flatMap((line) => (OUTSIDE_DOCUMENT.test(line) ? [`${file}: ${line.trim()}`] : [])),
    );
    expect(outside).toEqual([]);
  });
});
