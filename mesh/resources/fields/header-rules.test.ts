import { describe, expect, it } from "vitest";
import {
  findAuthorityFault,
  findHeaderNameFault,
  findHeaderValueFault,
  findPathFault,
  foldHeaderName,
} from "./header-rules.ts";

describe("a header that a route may change", () => {
  it.each([
    "x-a",
    "X-Forwarded-Proto",
    "x-forwarded-for",
    "authorization",
    "set-cookie",
    "user-agent",
    "a_b",
    "x-host",
  ])("is %s", (name) => {
    expect(findHeaderNameFault(name)).toBeUndefined();
  });

  it.each([
    "Content-Length",
    "transfer-encoding",
    "Trailer",
    "Expect",
    "Connection",
    "keep-alive",
    "Proxy-Connection",
    "TE",
    "Upgrade",
    "HTTP2-Settings",
    "Proxy-Authorization",
    "Host",
    "X-Forwarded-Client-Cert",
    "x_forwarded_client_cert",
    "content_length",
    "x.forwarded.client.cert",
    "__proto__",
    ":path",
    ":authority",
    "",
    "a b",
    "a:",
    "a\r\nb",
    "ä",
    "x".repeat(300),
  ])("is never %j", (name) => {
    expect(findHeaderNameFault(name)).toEqual(expect.any(String));
  });
});

describe("a value", () => {
  it.each(["", "a b", 'a,b;c="d"', "%%"])("may be %j", (value) => {
    expect(findHeaderValueFault(value)).toBeUndefined();
  });

  it.each(["a\r\nb", "a\nb", "a\0", "a\tb", "a\x7f", "ä", "a".repeat(9000)])("may not be %j", (value) => {
    expect(findHeaderValueFault(value)).toEqual(expect.any(String));
  });
});

describe("an authority", () => {
  it.each(["a", "a.example", "a.example:80", "[::1]", "[::1]:80", "10.0.0.1"])("may be %j", (text) => {
    expect(findAuthorityFault(text)).toBeUndefined();
  });

  it.each(["", "a b", "a/b", "user@a", "a:", "a:80:80", "::1", "a\r\n", "a?b", "-a"])("may not be %j", (text) => {
    expect(findAuthorityFault(text)).toEqual(expect.any(String));
  });
});

describe("a path", () => {
  it.each(["/", "/a/b", "/a?b=c", "/%20", "//"])("may be %j", (text) => {
    expect(findPathFault(text)).toBeUndefined();
  });

  it.each(["", "a", "/a b", "/a#b", "/a\r\n", "/ä", "http://a/", "*"])("may not be %j", (text) => {
    expect(findPathFault(text)).toEqual(expect.any(String));
  });
});

describe("a folded name", () => {
  it.each(["X-Secret", "x_secret", "X_SECRET", "x.secret", "x-secret"])(
    "of %s is x-secret, as in HTTP_X_SECRET",
    (name) => {
      expect(foldHeaderName(name)).toBe("x-secret");
    },
  );

  it.each(["xsecret", "x--secret", "x-secret-"])("of %s is a different one", (name) => {
    expect(foldHeaderName(name)).not.toBe("x-secret");
  });
});
