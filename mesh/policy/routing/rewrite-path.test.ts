import { describe, expect, it } from "vitest";
import type { StringMatch } from "./http-route.ts";
import { rewritePath } from "./rewrite-path.ts";

const prefix = (value: string): StringMatch => ({ kind: "prefix", value });
const exact = (value: string): StringMatch => ({ kind: "exact", value });
const regex = (value: string): StringMatch => ({ kind: "regex", value });

describe("a rewritten path", () => {
  it.each([
    { name: "a prefix is replaced", path: "/v1/users", matched: prefix("/v1"), to: "/api", expected: "/api/users" },
    { name: "a prefix that is the whole path", path: "/v1", matched: prefix("/v1"), to: "/api", expected: "/api" },
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
    {
      name: "a prefix with a trailing slash to `/`",
      path: "/v1/users",
      matched: prefix("/v1/"),
      to: "/",
      expected: "/users",
    },
    { name: "only the prefix to `/`", path: "/v1", matched: prefix("/v1"), to: "/", expected: "/" },
    {
      name: "a prefix that matched in another case",
      path: "/V1/users",
      matched: prefix("/v1"),
      to: "/api",
      expected: "/api/users",
    },
    {
      name: "the query is kept",
      path: "/v1/users?a=/v1",
      matched: prefix("/v1"),
      to: "/api",
      expected: "/api/users?a=/v1",
    },
    {
      name: "a match without a path counts as the prefix `/`",
      path: "/users",
      matched: undefined,
      to: "/api",
      expected: "/apiusers",
    },
    {
      name: "an exact path is replaced completely",
      path: "/old?x=1",
      matched: exact("/old"),
      to: "/new",
      expected: "/new?x=1",
    },
    {
      name: "after a regex match the whole path is replaced",
      path: "/a/b/c?d",
      matched: regex("/a/.*"),
      to: "/z",
      expected: "/z?d",
    },
    { name: "an empty query is kept", path: "/old?", matched: exact("/old"), to: "/new", expected: "/new?" },
    { name: "a target that is not a path is kept", path: "*", matched: undefined, to: "/api", expected: "*" },
  ])("$name: $path to $expected", ({ path, matched, to, expected }) => {
    expect(rewritePath(path, matched, to)).toBe(expected);
  });
});
