import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isFieldValue, isMistakableMethod, isRequestPath, isToken } from "./grammar.ts";

describe("a part of a message", () => {
  it.each([
    { name: "a path", accepts: (text: string) => isRequestPath(text, "GET"), sound: ["/", "/a?b=%20"] },
    { name: "a name", accepts: isToken, sound: ["x", "x-a", "!#$%&'*+.^_`|~"] },
    { name: "a value", accepts: isFieldValue, sound: ["", "a", "a b\tc", "\xe9\xff"] },
  ])("that is $name never contains what ends a line, or a character that is no byte", ({ accepts, sound }) => {
    for (const text of sound) expect(accepts(text)).toBe(true);
    const nasty = fc.constantFrom("\r", "\n", "\0", "\x7f", "\r\n", "Ā", "\u{1f600}", "\u010d\u010a");
    fc.assert(
      fc.property(fc.constantFrom(...sound), nasty, fc.nat(), (text, character, place) => {
        const at = place % (text.length + 1);
        expect(accepts(text.slice(0, at) + character + text.slice(at))).toBe(false);
      }),
    );
  });

  it.each(["", "a", "http://a/", "/a b", "/a#b", "*", "//\x80"])("is no path of a GET: %j", (path) => {
    expect(isRequestPath(path, "GET")).toBe(false);
  });

  it("is a path of OPTIONS if it is `*`", () => {
    expect(isRequestPath("*", "OPTIONS")).toBe(true);
  });

  it.each([" a", "a ", "\ta", "a\t"])("is no value with a blank at an end: %j", (value) => {
    expect(isFieldValue(value)).toBe(false);
  });

  it.each(["", "a b", "a:", "(", "\xe9"])("is no name: %j", (name) => {
    expect(isToken(name)).toBe(false);
  });

  it("is a method that some servers read as another one", () => {
    const mistakable = ["head", "Connect", "CONNECT", "PRI", "pri", "get", "Post", "delete", "pUT", "patch", "Options"];
    expect(mistakable.filter((method) => !isMistakableMethod(method))).toEqual([]);
    const distinct = ["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "FOO", "brew", "getter"];
    expect(distinct.filter(isMistakableMethod)).toEqual([]);
  });
});
