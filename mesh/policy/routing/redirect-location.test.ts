import { describe, expect, it } from "vitest";
import type { RouteRedirect } from "./http-route.ts";
import { formatLocation } from "./redirect-location.ts";

function locate(redirect: Omit<RouteRedirect, "code">, host = "a.example", path = "/x?q=1") {
  return formatLocation({ ...redirect, code: 301 }, { host, path });
}

describe("a Location", () => {
  it.each([
    { name: "another host, the rest kept", redirect: { authority: "b.example" }, expected: "http://b.example/x?q=1" },
    { name: "another path, the query kept", redirect: { uri: "/y" }, expected: "http://a.example/y?q=1" },
    { name: "another path with its own query", redirect: { uri: "/y?z=2" }, expected: "http://a.example/y?z=2" },
    { name: "another scheme", redirect: { scheme: "https" } as const, expected: "https://a.example/x?q=1" },
    {
      name: "another scheme, the old default port is removed",
      redirect: { scheme: "https" } as const,
      host: "a.example:80",
      expected: "https://a.example/x?q=1",
    },
    {
      name: "another scheme, any other port is kept",
      redirect: { scheme: "https" } as const,
      host: "a.example:8080",
      expected: "https://a.example:8080/x?q=1",
    },
    {
      name: "the same scheme, the port is kept",
      redirect: { uri: "/y" },
      host: "a.example:80",
      expected: "http://a.example:80/y?q=1",
    },
    {
      name: "another port, which replaces the old one",
      redirect: { port: 8443 },
      host: "a.example:80",
      expected: "http://a.example:8443/x?q=1",
    },
    {
      name: "a scheme's default port is omitted",
      redirect: { port: 80 },
      host: "a.example:8080",
      expected: "http://a.example/x?q=1",
    },
    {
      name: "https and its port",
      redirect: { scheme: "https", port: 443 } as const,
      host: "a.example:8080",
      expected: "https://a.example/x?q=1",
    },
    {
      name: "an authority with a port and a separate port, which wins",
      redirect: { authority: "b.example:81", port: 82 },
      expected: "http://b.example:82/x?q=1",
    },
    {
      name: "an authority with a port, independent of the scheme",
      redirect: { authority: "b.example:80", scheme: "https" } as const,
      expected: "https://b.example:80/x?q=1",
    },
    { name: "an IPv6 address", redirect: { port: 81 }, host: "[::1]:80", expected: "http://[::1]:81/x?q=1" },
    {
      name: "an IPv6 address without a port",
      redirect: { port: 81 },
      host: "[::1]",
      expected: "http://[::1]:81/x?q=1",
    },
  ])("$name", ({ redirect, host, expected }) => {
    expect(locate(redirect, host)).toBe(expected);
  });

  it("is absolute, so that no path can redirect to another host", () => {
    expect(locate({ scheme: "https" }, "a.example", "//evil.example/x")).toBe("https://a.example//evil.example/x");
  });

  it.each([
    { name: "a line break", path: "/a\r\nSet-Cookie: b", expected: "http://a.example/a%0D%0ASet-Cookie:%20b" },
    { name: "a byte beyond ASCII", path: "/\xe4", expected: "http://a.example/%E4" },
    { name: "no path at all", path: "*", expected: "http://a.example/" },
  ])("with $name is still one line of ASCII", ({ path, expected }) => {
    expect(locate({ authority: "a.example" }, "b.example", path)).toBe(expected);
  });

  it.each(["", "user@evil.example", "a b", "a.example/x", "a.example:80:80", "a\r\nb"])(
    "is not created from the host %j",
    (host) => {
      expect(locate({ scheme: "https" }, host)).toBeUndefined();
    },
  );
});
