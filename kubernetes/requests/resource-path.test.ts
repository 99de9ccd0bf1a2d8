import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { KINDS } from "../kinds.ts";
import { formatQuery, formatResourcePath, type PathParts } from "./resource-path.ts";

const { pods, namespaces, deployments } = KINDS;

describe("a path", () => {
  it.each([
    { kind: pods, parts: {}, path: "/api/v1/pods" },
    { kind: pods, parts: { namespace: "ns1" }, path: "/api/v1/namespaces/ns1/pods" },
    { kind: pods, parts: { namespace: "ns1", name: "a" }, path: "/api/v1/namespaces/ns1/pods/a" },
    {
      kind: deployments,
      parts: { namespace: "ns1", name: "a", subresource: "status" },
      path: "/apis/apps/v1/namespaces/ns1/deployments/a/status",
    },
    { kind: namespaces, parts: { name: "ns1" }, path: "/api/v1/namespaces/ns1" },
    { kind: namespaces, parts: { namespace: "ignored", name: "ns1" }, path: "/api/v1/namespaces/ns1" },
    {
      kind: pods,
      parts: { namespace: "ns1", name: "a/../../b?x#y" },
      path: "/api/v1/namespaces/ns1/pods/a%2F..%2F..%2Fb%3Fx%23y",
    },
  ])("is $path", ({ kind, parts, path }) => {
    expect(formatResourcePath(kind, parts)).toBe(path);
  });

  it.each<{ readonly name: string; readonly parts: PathParts; readonly fault: RegExp }>([
    { name: "without a namespace", parts: { name: "a" }, fault: /Pod a: metadata.namespace is missing/ },
    { name: "with an empty name", parts: { namespace: "ns1", name: "" }, fault: /"" is not a name/ },
    { name: "that climbs", parts: { namespace: "..", name: "a" }, fault: /"\.\." is not a name/ },
  ])("$name is refused", ({ parts, fault }) => {
    expect(() => formatResourcePath(pods, parts)).toThrow(fault);
  });

  it("never leaves its place, whatever the names are", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "binary" }), (namespace, name) => {
        let path: string;
        try {
          path = formatResourcePath(pods, { namespace, name });
        } catch {
          return;
        }
        const { pathname, search, hash } = new URL(`https://server${path}`);
        expect(pathname.split("/")).toHaveLength(7);
        expect([search, hash]).toEqual(["", ""]);
      }),
    );
  });
});

it("a query contains what is given, escaped", () => {
  expect(formatQuery({ limit: 5, watch: true, labelSelector: "a=b,c in (d)", continue: undefined })).toBe(
    "?limit=5&watch=true&labelSelector=a%3Db%2Cc+in+%28d%29",
  );
  expect(formatQuery({ limit: undefined })).toBe("");
});
