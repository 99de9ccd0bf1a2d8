import { describe, expect, it } from "vitest";
import type { StringMatch } from "./http-route.ts";
import { rewritePath } from "./rewrite-path.ts";

const prefix = (value: string): StringMatch => ({ kind: "prefix", value });
const exact = (value: string): StringMatch => ({ kind: "exact", value });
const regex = (value: string): StringMatch => ({ kind: "regex", value });

describe("a rewritten path", () => {
  it.each([
    { name: "a prefix gives way", path: "/v1/users", matched: prefix("/v1"), to: "/api", expected: "/api/users" },
    { name: "a prefix that is all of it", path: "/v1", matched: prefix("/v1"), to: "/api", expected: "/api" },
    {
      name: "a prefix in the middle of a word",
      path: "/v1x/y",
      matched: prefix("/v1"),
      to: "/api",
      expected: "/apix/y",
    },
    {
      name: "a prefix to `/` leaves two slashes",
      path: "/v1/users",
      matched: prefix("/v1"),
      to: "/",
      expected: "//users",
    },
    { name: "a prefix with its slash to `/`", path: "/v1/users", matched: prefix("/v1/"), to: "/", expected: "/users" },
    { name: "the prefix alone to `/`", path: "/v1", matched: prefix("/v1"), to: "/", expected: "/" },
    {
      name: "a prefix met in another case",
      path: "/V1/users",
      matched: prefix("/v1"),
      to: "/api",
      expected: "/api/users",
    },
    {
      name: "the query stays",
      path: "/v1/users?a=/v1",
      matched: prefix("/v1"),
      to: "/api",
      expected: "/api/users?a=/v1",
    },
    {
      name: "no path in the match is the prefix `/`",
      path: "/users",
      matched: undefined,
      to: "/api",
      expected: "/apiusers",
    },
    {
      name: "an exact path gives way whole",
      path: "/old?x=1",
      matched: exact("/old"),
      to: "/new",
      expected: "/new?x=1",
    },
    {
      name: "after a regex all of it gives way",
      path: "/a/b/c?d",
      matched: regex("/a/.*"),
      to: "/z",
      expected: "/z?d",
    },
    { name: "an empty query stays", path: "/old?", matched: exact("/old"), to: "/new", expected: "/new?" },
    { name: "what is not a path stays", path: "*", matched: undefined, to: "/api", expected: "*" },
  ])("$name: $path to $expected", ({ path, matched, to, expected }) => {
    expect(rewritePath(path, matched, to)).toBe(expected);
  });
});
