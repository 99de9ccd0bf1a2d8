import { describe, expect, it } from "vitest";
import { forwardedProto, HOP_HEADERS, type Hop, headerRule, isReplaced } from "./hop-headers.ts";

const HOPS: readonly Hop[] = ["outbound", "inbound_verified", "inbound_unverified", "gateway"];

describe("a header that one hop writes for another", () => {
  it.each([
    { name: "x-forwarded-client-cert", rules: ["drop", "set", "drop", "drop"] },
    { name: "x-forwarded-proto", rules: ["default", "default", "default", "set"] },
    { name: "x-forwarded-for", rules: ["keep", "keep", "keep", "append"] },
    { name: "x-request-id", rules: ["default", "default", "default", "set"] },
    { name: "x-envoy-external-address", rules: ["drop", "keep", "drop", "set"] },
    { name: "x-envoy-peer-metadata", rules: ["drop", "drop", "drop", "drop"] },
    { name: "x-envoy-peer-metadata-id", rules: ["drop", "drop", "drop", "drop"] },
    { name: "x-envoy-retry-on", rules: ["drop", "keep", "drop", "drop"] },
    { name: "x-envoy-original-path", rules: ["drop", "keep", "drop", "drop"] },
    { name: "x-envoy-decorator-operation", rules: ["drop", "keep", "drop", "drop"] },
    { name: "forwarded", rules: ["keep", "keep", "keep", "keep"] },
    { name: "x-forwarded-host", rules: ["keep", "keep", "keep", "keep"] },
    { name: "x-original-url", rules: ["keep", "keep", "keep", "keep"] },
    { name: "x-real-ip", rules: ["keep", "keep", "keep", "keep"] },
    { name: "authorization", rules: ["keep", "keep", "keep", "keep"] },
  ])("is handled at each hop as in Istio: $name", ({ name, rules }) => {
    expect(HOPS.map((hop) => headerRule(name, hop))).toEqual(rules);
    expect(HOPS.map((hop) => isReplaced(name, hop))).toEqual(
      rules.map((rule) => ["drop", "set", "append"].includes(rule)),
    );
  });

  it("has one row", () => {
    const names = HOP_HEADERS.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
  });

  it("is found by a sidecar's quick check of its letters, unless it has a kind of its own", () => {
    const replaced = HOP_HEADERS.filter(({ name }) =>
      HOPS.some((hop) => hop !== "gateway" && name !== "x-forwarded-client-cert" && isReplaced(name, hop)),
    );
    expect(replaced.map(({ name }) => name.slice(0, 3))).toEqual(replaced.map(() => "x-e"));
  });
});

it("the protocol is https if the request came over the mesh's mutual TLS and no proxy before set it", () => {
  expect(HOPS.map(forwardedProto)).toEqual(["http", "https", "http", "http"]);
});
