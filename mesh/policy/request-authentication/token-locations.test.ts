import { describe, expect, it } from "vitest";
import { searchedFields, testTokenRule } from "./token-issuer-fixture.ts";
import { findTokens, locationsOf, redactParameters, withoutCookie, withoutParameters } from "./token-locations.ts";
import type { TokenRule } from "./token-rule.ts";

type Fields = readonly (readonly [string, string])[];

function find(rule: Partial<TokenRule>, fields: Fields, path = "/"): readonly string[] {
  const request = { path, fields: searchedFields(...fields) };
  return locationsOf([testTokenRule(rule)]).flatMap(({ location }) => findTokens(location, request));
}

describe("without locations of its own a rule", () => {
  it.each([
    { name: "finds a bearer token", fields: [["authorization", "Bearer a.b.c"]], found: ["a.b.c"] },
    { name: "finds it in any case of the scheme", fields: [["authorization", "bEARER a.b.c"]], found: ["a.b.c"] },
    { name: "finds it behind several blanks", fields: [["authorization", "Bearer   a.b.c"]], found: ["a.b.c"] },
    {
      name: "finds it behind a tab, at which servers split too",
      fields: [["authorization", "bearer\ta.b.c"]],
      found: ["a.b.c"],
    },
    { name: "finds no token of another scheme", fields: [["authorization", "Basic a.b.c"]], found: [] },
    { name: "finds no token without one", fields: [["authorization", "Bearer"]], found: [] },
    {
      name: "finds each of several fields",
      fields: [
        ["authorization", "Bearer a"],
        ["authorization", "Basic x"],
        ["authorization", "Bearer b"],
      ],
      found: ["a", "b"],
    },
    {
      name: "reads a list as one value, which is no token",
      fields: [["authorization", "Bearer a, Bearer b"]],
      found: ["a, Bearer b"],
    },
    { name: "finds none in other fields", fields: [["x-authorization", "Bearer a"]], found: [] },
  ] satisfies readonly { name: string; fields: Fields; found: readonly string[] }[])("$name", ({ fields, found }) => {
    expect(find({}, fields)).toEqual(found);
  });

  it.each([
    { path: "/p?access_token=a.b.c&x=1", found: ["a.b.c"] },
    { path: "/p?access%5Ftoken=a%2Eb.c", found: ["a.b.c"] },
    { path: "/p?access_token=a&access_token=b", found: ["a", "b"] },
    { path: "/p?access_token", found: [""] },
    { path: "/access_token=a?b", found: [] },
    { path: "/p?Access_Token=a", found: [] },
  ])("looks at the query parameter access_token: $path", ({ path, found }) => {
    expect(find({}, [], path)).toEqual(found);
  });
});

describe("a rule with locations", () => {
  it("looks there alone", () => {
    const fields: Fields = [
      ["authorization", "Bearer a"],
      ["x-token", "b"],
    ];
    expect(find({ fromHeaders: [{ name: "x-token", prefix: "" }] }, fields, "/?access_token=c")).toEqual(["b"]);
  });

  it("finds a field in every spelling that an application may read as it", () => {
    const fields: Fields = [
      ["x_token", "a"],
      ["x.token", "b"],
      ["x-token", "c"],
    ];
    expect(find({ fromHeaders: [{ name: "x-token", prefix: "" }] }, fields)).toEqual(["a", "b", "c"]);
  });

  it.each([
    { fields: [["cookie", "a=1; session=t.o.k; b=2"]], found: ["t.o.k"] },
    {
      fields: [
        ["cookie", "a=1"],
        ["cookie", "session=t.o.k"],
      ],
      found: ["t.o.k"],
    },
    { fields: [["cookie", 'session="t.o.k"']], found: ["t.o.k"] },
    { fields: [["cookie", "session=a; session=b"]], found: ["a", "b"] },
    { fields: [["cookie", "xsession=a; Session=b; session"]], found: [""] },
  ] satisfies readonly { fields: Fields; found: readonly string[] }[])(
    "finds cookies: $fields",
    ({ fields, found }) => {
      expect(find({ fromCookies: ["session"] }, fields)).toEqual(found);
    },
  );

  it("shares a location with other rules, and is found there only once", () => {
    const rules = [testTokenRule({ name: "a" }), testTokenRule({ name: "b" }), testTokenRule({ fromParams: ["t"] })];
    const found = locationsOf(rules).map(({ location, rules: searching }) => [location.kind, searching.length]);
    expect(found).toEqual([
      ["field", 2],
      ["parameter", 2],
      ["parameter", 1],
    ]);
  });
});

describe("a token that is not forwarded", () => {
  it.each([
    { path: "/p?a=1&access_token=x&b=%2F", without: "/p?a=1&b=%2F" },
    { path: "/p?access_token=x", without: "/p" },
    { path: "/p?access%5ftoken=x&&a", without: "/p?&a" },
    { path: "/p", without: "/p" },
  ])("is taken out of the query of $path", ({ path, without }) => {
    expect(withoutParameters(path, new Set(["access_token"]))).toBe(without);
  });

  it("is taken out of the cookies, which are else as they came", () => {
    const fields = searchedFields(["cookie", 'a="x y"; session=t'], ["cookie", "b=1"]);
    expect(withoutCookie(fields, new Set(["session"]))).toBe('a="x y"; b=1');
    expect(withoutCookie(searchedFields(["cookie", "session=t"]), new Set(["session"]))).toBeUndefined();
  });
});

it("a path in a log has no token", () => {
  const names = new Set(["access_token"]);
  expect(redactParameters("/p?a=1&access%5ftoken=x&access_token", names)).toBe(
    "/p?a=1&access%5ftoken=[redacted]&access_token=[redacted]",
  );
  expect(redactParameters("/p?a=1", names)).toBe("/p?a=1");
});
