import { describe, expect, it } from "vitest";
import { type MintedCertificate, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { ForeignAuthorities } from "../../mesh/mesh-settings.ts";
import { decideFederatedTrust } from "./federated-trust.ts";

const own = mintRoot({ commonName: "Own Root" });
const signer = mintRoot({ commonName: "Own Signer", issuer: own });
const [one, two] = [mintRoot({ commonName: "one" }), mintRoot({ commonName: "two" })];
const URL_ = "https://bundles.example/";

function pem(domain: string, ...roots: readonly MintedCertificate[]): ForeignAuthorities {
  return { kind: "pem", trustDomains: [parseTrustDomain(domain)], roots: roots.map((root) => root.pem) };
}

function endpoint(...domains: readonly string[]): ForeignAuthorities {
  return { kind: "bundle endpoint", trustDomains: domains.map(parseTrustDomain), url: URL_ };
}

function decide(authorities: readonly ForeignAuthorities[], published?: readonly MintedCertificate[]) {
  return decideFederatedTrust({
    authorities,
    rootsOf: () => published?.map((root) => root.pem),
    ownAuthorities: [own.pem, signer.pem],
  });
}

describe("the roots of foreign trust domains", () => {
  it("are those of all entries that name the domain", () => {
    const { domains, refused } = decide([endpoint("a", "b"), pem("a", one), pem("a", one)], [two]);
    expect(domains).toEqual([
      { trustDomain: "a", roots: [one.pem, two.pem] },
      { trustDomain: "b", roots: [two.pem] },
    ]);
    expect(refused).toEqual([]);
  });

  it("are incomplete while an endpoint has not responded", () => {
    expect(decide([pem("a", one), endpoint("a", "b"), pem("c", two)]).domains).toEqual([
      { trustDomain: "a", roots: [one.pem], incomplete: true },
      { trustDomain: "c", roots: [two.pem] },
      { trustDomain: "b", roots: [], incomplete: true },
    ]);
  });

  it("may be shared with another domain, and with the mesh", () => {
    expect(decide([pem("a", own), pem("b", one), pem("c", one)])).toEqual({
      domains: [
        { trustDomain: "a", roots: [own.pem] },
        { trustDomain: "b", roots: [one.pem] },
        { trustDomain: "c", roots: [one.pem] },
      ],
      refused: [],
    });
  });

  it("may be issued again under their name", () => {
    const again = mintRoot({ commonName: "one", key: one.key, notAfter: new Date("2050-01-01") });
    expect(decide([pem("a", one, again)]).refused).toEqual([]);
  });
});

describe("a foreign root with the name of another authority is left out", () => {
  it.each([
    { name: "the mesh's root", commonName: "Own Root" },
    { name: "the mesh's root, in other letters", commonName: "own  root" },
    { name: "the mesh's intermediate", commonName: "Own Signer" },
  ])("if it is that of $name", ({ commonName }) => {
    const namesake = mintRoot({ commonName });
    const { domains, refused } = decide([endpoint("a")], [one, namesake]);
    expect(domains).toEqual([{ trustDomain: "a", roots: [one.pem] }]);
    const reason = "it has the same name as an authority of this mesh: one of them must be issued with another name";
    expect(refused).toEqual([{ trustDomain: "a", fingerprint: namesake.certificate.fingerprint256, reason }]);
  });

  it("if it is published, and the other one is written down for another domain", () => {
    const namesake = mintRoot({ commonName: "one" });
    const { domains, refused } = decide([endpoint("a"), pem("b", one)], [namesake]);
    expect(domains).toEqual([{ trustDomain: "b", roots: [one.pem] }]);
    expect(refused).toMatchObject([{ trustDomain: "a", reason: expect.stringContaining("a root of b") }]);
  });
});
