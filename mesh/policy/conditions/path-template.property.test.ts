import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compilePathTemplate } from "./path-template.ts";

/** A template as the regular expression that Envoy makes of it. */
function referenceOf(template: string): RegExp {
  const covered = "A-Za-z0-9\\-._~%!$&'()+,;:@=*";
  const source = template
    .split(/(\{\*\*?\})/)
    .map((part) => {
      if (part === "{*}") return `[${covered}]+`;
      return part === "{**}" ? `[${covered}/]*` : part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
    })
    .join("");
  return new RegExp(`^${source}$`);
}

const literal = fc.constantFrom("a", "b", "api", "a.b", "%20", "(x)", "v1=2");
const segment = fc.oneof(literal, fc.constant("{*}"));
const template = fc
  .tuple(
    fc.array(segment, { maxLength: 4 }),
    fc.option(fc.array(literal, { maxLength: 2 }), { nil: undefined }),
    fc.boolean(),
  )
  .filter(([head, tail]) => head.length > 0 || tail !== undefined)
  .map(([head, tail, hasSlash]) => {
    const segments = tail === undefined ? head : [...head, "{**}", ...tail];
    return `/${segments.join("/")}${hasSlash ? "/" : ""}`;
  });
const character = fc.constantFrom("a", "b", "api", "a.b", "/", "/", "/", "%20", "(x)", "v1=2", "*", '"', "|", "é", "");

describe("a path template", () => {
  it("matches what Envoy's regular expression matches", () => {
    fc.assert(
      fc.property(template, fc.array(character, { maxLength: 9 }), (pattern, pieces) => {
        const path = `/${pieces.join("")}`;
        expect(compilePathTemplate(pattern)?.(path), `${path} by ${pattern}`).toBe(referenceOf(pattern).test(path));
      }),
      { numRuns: 5000 },
    );
  });

  it("matches a path in which each operator is replaced by segments", () => {
    fc.assert(
      fc.property(template, fc.array(literal, { minLength: 1, maxLength: 4 }), (pattern, segments) => {
        const path = pattern.replaceAll("{*}", segments[0] ?? "").replace("{**}", segments.join("/"));
        expect(compilePathTemplate(pattern)?.(path)).toBe(true);
      }),
    );
  });

  it.each([
    "/a/{**}/{*}",
    "/a/{**}/{**}",
    "/a{*}",
    "/{*}b",
    "/{*}/*",
    "/a//{*}",
    "a/{*}",
    "{*}",
    "/{*}/{x}",
    '/"/{*}',
    "",
  ])("cannot be %j", (pattern) => {
    expect(compilePathTemplate(pattern)).toBeUndefined();
  });

  it("takes linear time for a path that matches almost", () => {
    const matches = compilePathTemplate(`/${"{*}/".repeat(20)}{**}/end`);
    const before = process.cpuUsage();
    expect(matches?.(`/${"a/".repeat(100_000)}en`)).toBe(false);
    expect(process.cpuUsage(before).user / 1000).toBeLessThan(1000);
  });
});
