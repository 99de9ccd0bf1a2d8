import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PathNormalization } from "./authorization.ts";
import { normalizePath } from "./normalize-path.ts";

const mode = fc.constantFrom<PathNormalization>("NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES");
const piece = fc.constantFrom(
  ...["/", "/", "\\", ".", "..", "%", "%2e", "%2E", "%2f", "%5C", "%25", "%41", "%34", "%66", "%00", "%zz"],
  ...["2", "f", "e", "a", "Z", "~", "*", "?", "#", "é", " "],
);
const path = fc.array(piece, { maxLength: 14 }).map((pieces) => `/${pieces.join("")}`);

describe("a normalised path", () => {
  it("stays as it is when it is normalised again", () => {
    fc.assert(
      fc.property(path, mode, (given, by) => {
        const once = normalizePath(given, by);
        if (once !== undefined) expect(normalizePath(once, by)).toBe(once);
      }),
      { numRuns: 3000 },
    );
  });

  it("begins with a slash and has none of what the mode removes", () => {
    fc.assert(
      fc.property(path, mode, (given, by) => {
        const normalized = normalizePath(given, by);
        if (normalized === undefined) return;
        const [segments = "", ...query] = normalized.split("?");
        expect(segments.startsWith("/")).toBe(true);
        expect(normalized).not.toContain("#");
        if (by === "NONE") return;
        expect(segments).not.toMatch(/\\|%2e|%00|%4[1-9]|\/\.\.?(?:\/|$)/i);
        if (by !== "BASE") expect(segments).not.toContain("//");
        if (by === "DECODE_AND_MERGE_SLASHES") expect(segments).not.toMatch(/%2f|%5c/i);
        expect(query.join("?")).toBe(given.replace(/#.*$/s, "").split("?").slice(1).join("?"));
      }),
      { numRuns: 3000 },
    );
  });

  it("means the same to a URL parser, as long as no slash is doubled or escaped and no percent sign malformed", () => {
    const segment = fc.constantFrom("a", "b.", "..", ".", "%2e", "%2e%2E", "%41", "~", "x%20y", "%c3%a4");
    fc.assert(
      fc.property(fc.array(segment, { minLength: 1, maxLength: 8 }), (segments) => {
        const given = `/${segments.join("/")}`;
        const parsed = new URL(`http://host${given}`).pathname;
        expect(normalizePath(given, "BASE")).toBe(parsed.replaceAll("%41", "A"));
      }),
    );
  });

  it("with slashes decoded has no other meaning to a server that decodes it once more", () => {
    const parts = fc.constantFrom(
      "/",
      "\\",
      "..",
      "admin",
      "%61dmin",
      "%2f",
      "%5C",
      "%2e",
      "%",
      "25",
      "2f",
      "61",
      ";",
      "?",
      "x",
    );
    const isAdmin = (text: string): boolean => text === "/admin" || text.startsWith("/admin/");
    fc.assert(
      fc.property(fc.array(parts, { minLength: 1, maxLength: 8 }), (pieces) => {
        const judged = normalizePath(`/${pieces.join("")}`, "DECODE_AND_MERGE_SLASHES")?.split("?")[0];
        if (judged !== undefined && isAdmin(readAsServer(judged))) expect(judged).toSatisfy(isAdmin);
      }),
      { numRuns: 3000 },
    );
  });
});

/** As WSGI and Express decode a path, and as file servers simplify it. */
function readAsServer(path: string): string {
  const decoded = path.replaceAll(/%[\da-f]{2}/gi, (escaped) =>
    String.fromCharCode(Number.parseInt(escaped.slice(1), 16)),
  );
  const kept: string[] = [];
  for (const segment of decoded.replaceAll("\\", "/").split("/")) {
    if (segment === "..") kept.pop();
    else if (segment !== "." && segment !== "") kept.push(segment);
  }
  return `/${kept.join("/")}`;
}
