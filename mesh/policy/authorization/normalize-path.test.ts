import { describe, expect, it } from "vitest";
import type { PathNormalization } from "./authorization.ts";
import { normalizePath } from "./normalize-path.ts";

interface Case {
  readonly name: string;
  readonly path: string;
  /** By mode; a mode that is absent gives what the one before it gives. */
  readonly expected: readonly [none: string | undefined, base?: string | undefined, merge?: string, decode?: string];
}

const MODES: readonly PathNormalization[] = ["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"];

const CASES: readonly Case[] = [
  { name: "a plain path", path: "/info", expected: ["/info"] },
  { name: "the root", path: "/", expected: ["/"] },
  { name: "a query, whatever it contains", path: "/a?x=//../%2e%00\\", expected: ["/a?x=//../%2e%00\\"] },
  { name: "a fragment", path: "/admin#f", expected: ["/admin"] },
  { name: "a fragment behind a query", path: "/admin?a#b?c", expected: ["/admin?a"] },
  { name: "a query inside a fragment", path: "/admin#a?b", expected: ["/admin"] },
  { name: "`..` in escapes", path: "/public/%2e%2E/private", expected: ["/public/%2e%2E/private", "/private"] },
  { name: "`..` between backslashes", path: "/public\\..\\private", expected: ["/public\\..\\private", "/private"] },
  { name: "`.`", path: "/./a/./b/.", expected: ["/./a/./b/.", "/a/b/"] },
  { name: "`..` at the end", path: "/a/b/..", expected: ["/a/b/..", "/a/"] },
  { name: "`..` above the root", path: "/../../a", expected: ["/../../a", "/a"] },
  { name: "`..` behind an empty segment", path: "/a//../b", expected: ["/a//../b", "/a/b"] },
  { name: "dots in a name", path: "/.well-known/a..b/...", expected: ["/.well-known/a..b/..."] },
  { name: "two slashes", path: "//admin///x//", expected: ["//admin///x//", "//admin///x//", "/admin/x/"] },
  { name: "a double backslash", path: "/\\\\a", expected: ["/\\\\a", "///a", "/a"] },
  { name: "an escaped slash", path: "/a%2Fb%2fc", expected: ["/a%2Fb%2fc", "/a%2Fb%2fc", "/a%2Fb%2fc", "/a/b/c"] },
  { name: "an escaped backslash", path: "/a%5Cb%5cc", expected: ["/a%5Cb%5cc", "/a%5Cb%5cc", "/a%5Cb%5cc", "/a/b/c"] },
  { name: "`..` behind an escaped slash", path: "/a%2f..", expected: ["/a%2f..", "/a%2f..", "/a%2f..", "/"] },
  { name: "`..` behind a decoded letter", path: "/%61/..%2f", expected: ["/%61/..%2f", "/a/..%2f", "/a/..%2f", "/"] },
  {
    name: "escaped letters, digits and marks",
    path: "/%41%7a%30%2D%5F%7E",
    expected: ["/%41%7a%30%2D%5F%7E", "/Az0-_~"],
  },
  {
    name: "other escapes, with the case of their digits",
    path: "/%20%c3%A4%40%3a%7b",
    expected: ["/%20%c3%A4%40%3a%7b"],
  },
  { name: "a letter that is escaped twice", path: "/%2561", expected: ["/%2561"] },
  { name: "an escape that is malformed", path: "/%zz/%4", expected: ["/%zz/%4"] },
  { name: "an escape out of escapes", path: "/%%34%31", expected: ["/%%34%31", "/%2541"] },
  { name: "an escape out of an escape and a digit", path: "/%4%31x%%41", expected: ["/%4%31x%%41", "/%2541x%A"] },
  { name: "an escaped slash out of escapes", path: "/a%%32%66..", expected: ["/a%%32%66..", "/a%252f.."] },
  { name: "capitals", path: "/Info/A/%2e", expected: ["/Info/A/%2e", "/Info/A/"] },
  { name: "a target that is not a path", path: "*", expected: ["*"] },
];

describe("a path is normalised", () => {
  it.each(
    CASES.flatMap(({ name, path, expected }) =>
      MODES.map((mode, index) => ({ name, path, mode, expected: expected.slice(0, index + 1).at(-1) })),
    ),
  )("$mode: $name", ({ path, mode, expected }) => {
    expect(normalizePath(path, mode)).toBe(expected);
  });

  it.each([
    { path: "/x%00", mode: "BASE" },
    { path: "/x/%00/..", mode: "MERGE_SLASHES" },
    { path: "/%2f%00?a", mode: "DECODE_AND_MERGE_SLASHES" },
  ] as const)("$mode refuses an escaped NUL in $path", ({ path, mode }) => {
    expect(normalizePath(path, mode)).toBeUndefined();
  });

  it("NONE keeps an escaped NUL, as Envoy without normalize_path", () => {
    expect(normalizePath("/x%00", "NONE")).toBe("/x%00");
  });
});
