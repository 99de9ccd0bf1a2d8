import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { listOf } from "../messages/field-list-fixture.ts";
import type { Fields } from "../messages/fields.ts";
import { frameRequests } from "./frame-fixture.ts";

type Pair = readonly [name: string, value: string];

const NAMES = ["x-a", "X-A", "x_a", "x.a", "accept", "Cookie", "Expect", "x-request-id", "TE", "x"] as const;
const pairs = fc.array(fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom("", "1", "a b", "\xe9\xff", "a=b; c")), {
  maxLength: 6,
});

/** The same fields as HTTP/1.1 text and as a list. */
function bothForms(fields: readonly Pair[]): readonly [text: Fields, list: Fields] {
  const all: readonly Pair[] = [["Host", "a"], ...fields];
  const lines = all.map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const [head] = frameRequests([Buffer.from(`GET / HTTP/1.1\r\n${lines}\r\n`, "latin1")]).heads;
  if (head === undefined) throw new Error("no head");
  return [head.fields, listOf(all.flatMap(([name, value]) => [name.toLowerCase(), value]))];
}

function read(fields: Fields): readonly unknown[] {
  return Array.from({ length: fields.count }, (_, index) => [
    fields.nameAt(index),
    fields.valueAt(index),
    fields.kindAt(index),
    fields.nameCodeAt(index, 0),
  ]);
}

describe("fields of either version", () => {
  it("are read alike", () => {
    fc.assert(
      fc.property(pairs, (fields) => {
        const [text, list] = bothForms(fields);
        expect(read(list)).toEqual(read(text));
        for (const name of ["x-a", "accept", "x", "x-request-id", "none"]) expect(list.get(name)).toBe(text.get(name));
        for (const name of ["x-a", "x", "cookie", "te"]) expect(list.hasFolded(name)).toBe(text.hasFolded(name));
      }),
    );
  });

  it("are found under every spelling that a CGI-like server reads as the same name", () => {
    for (const fields of bothForms([["X_Secret", "1"]])) {
      expect([fields.hasFolded("x-secret"), fields.get("x-secret"), fields.get("x_secret")]).toEqual([
        true,
        undefined,
        "1",
      ]);
    }
  });
});

describe("a list of fields", () => {
  it("joins the crumbs of a cookie as one cookie (RFC 9113 §8.2.3)", () => {
    expect(listOf(["cookie", "a=1", "x-a", "1", "cookie", "b=2"]).get("cookie")).toBe("a=1; b=2");
  });

  it("remembers which fields no table may hold (RFC 7541 §7.1.3)", () => {
    const list = listOf(["x-a", "1", "authorization", "secret"], [1]);
    expect([list.isNeverIndexedAt(0), list.isNeverIndexedAt(1)]).toEqual([false, true]);
    expect(listOf(["x-a", "1"]).isNeverIndexedAt(0)).toBe(false);
  });
});
