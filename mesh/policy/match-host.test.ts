import { describe, expect, it } from "vitest";
import { intersectHosts, matchHost, mostSpecificHost, normalizeAuthority } from "./match-host.ts";

describe("matchHost", () => {
  it.each([
    { pattern: "*", host: "anything.at.all", matches: true },
    { pattern: "*.local", host: "world.ns2.svc.cluster.local", matches: true },
    { pattern: "*.local", host: "local", matches: false },
    { pattern: "*.local", host: ".local", matches: false },
    { pattern: "*.local", host: "notlocal", matches: false },
    { pattern: "*.ns2.svc.cluster.local", host: "world.ns2.svc.cluster.local", matches: true },
    { pattern: "*.ns2.svc.cluster.local", host: "world.ns3.svc.cluster.local", matches: false },
    { pattern: "end.legacy", host: "end.legacy.svc.cluster.local", matches: false },
    { pattern: "a.b", host: "A.B", matches: true },
    { pattern: "*.Example.COM", host: "x.example.com", matches: true },
    { pattern: "a.*", host: "a.b", matches: false },
    { pattern: "a.b", host: "a.b.", matches: true },
    { pattern: "a.b.", host: "a.b", matches: true },
    { pattern: "*.b.", host: "a.B.", matches: true },
    { pattern: "a.b", host: "a.b..", matches: false },
  ])("$pattern matches $host: $matches", ({ pattern, host, matches }) => {
    expect(matchHost(pattern, host)).toBe(matches);
  });
});

describe("mostSpecificHost", () => {
  it.each([
    { name: "an exact name before wildcards", patterns: ["*", "*.local", "a.local"], host: "a.local", best: "a.local" },
    {
      name: "the longest wildcard",
      patterns: ["*", "*.local", "*.svc.local"],
      host: "a.svc.local",
      best: "*.svc.local",
    },
    { name: "a wildcard if no name matches", patterns: ["b.local", "*"], host: "a.local", best: "*" },
    { name: "nothing if nothing matches", patterns: ["b.local", "*.example"], host: "a.local", best: undefined },
    { name: "the same in any order", patterns: ["a.local", "*.local", "*"], host: "a.local", best: "a.local" },
  ])("chooses $name", ({ patterns, host, best }) => {
    expect(mostSpecificHost(patterns, host)).toBe(best);
  });
});

describe("intersectHosts", () => {
  it.each([
    ["*", "a.example", "a.example"],
    ["a.example", "*", "a.example"],
    ["*.example", "*.b.example", "*.b.example"],
    ["*.example", "a.other", undefined],
    ["a.example", "a.example", "a.example"],
    ["a.example.", "A.example", "a.example"],
    ["*.example.", "a.example", "a.example"],
  ])("of %s and %s is %s", (left, right, common) => {
    expect(intersectHosts(left, right)).toBe(common);
  });
});

describe("a host with a port", () => {
  it.each([
    ["Shop.Example", "shop.example"],
    ["shop.example.", "shop.example"],
    ["shop.example:8080", "shop.example"],
    ["shop.example.:80", "shop.example"],
    ["shop.example:", "shop.example"],
    ["[::1]:80", "[::1]"],
    ["[::1]", "[::1]"],
    ["::1", "::1"],
    ["", ""],
  ])("%j is compared as %j", (authority, normalized) => {
    expect(normalizeAuthority(authority)).toBe(normalized);
  });
});
