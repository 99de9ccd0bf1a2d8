import { describe, expect, it } from "vitest";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { ForeignAuthorities } from "../../mesh/mesh-settings.ts";
import { decideFederatedTrust } from "./federated-trust.ts";

function pem(domain: string, ...roots: readonly string[]): ForeignAuthorities {
  return { kind: "pem", trustDomains: [parseTrustDomain(domain)], roots };
}

function endpoint(...domains: readonly string[]): ForeignAuthorities {
  return { kind: "bundle endpoint", trustDomains: domains.map(parseTrustDomain), url: "https://bundles.example/" };
}

describe("the roots of foreign trust domains", () => {
  it("are those of all entries that name the domain, and may be shared", () => {
    expect(decideFederatedTrust([endpoint("a", "b"), pem("a", "one"), pem("a", "one")], () => ["two"])).toEqual([
      { trustDomain: "a", roots: ["two", "one"] },
      { trustDomain: "b", roots: ["two"] },
    ]);
  });

  it("are incomplete while an endpoint has not responded", () => {
    const authorities = [pem("a", "one"), endpoint("a", "b"), pem("c", "two")];
    expect(decideFederatedTrust(authorities, () => undefined)).toEqual([
      { trustDomain: "a", roots: ["one"], incomplete: true },
      { trustDomain: "b", roots: [], incomplete: true },
      { trustDomain: "c", roots: ["two"] },
    ]);
  });
});
