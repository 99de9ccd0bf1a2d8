import { X509Certificate } from "node:crypto";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ecKey, mintCrossIssued } from "../../identity/hostile-chain-fixture.ts";
import { type MintLeafOptions, mintLeaf, mintRoot } from "../../identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain, type TrustDomain } from "../../identity/spiffe-id.ts";
import { type FederatedRoots, federateRoots } from "./peer-trust.ts";
import { type PeerEvidence, verifyPeer } from "./verify-peer.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");
const HERE = parseTrustDomain("here.example");
const THERE = parseTrustDomain("there.example");
const THIRD = parseTrustDomain("third.example");
const ALIAS = parseTrustDomain("old.example");
const own = mintRoot({ commonName: "own" });
const foreign = mintRoot({ commonName: "foreign" });
const third = mintRoot({ commonName: "third" });

function idOf(trustDomain: string): string {
  return `spiffe://${trustDomain}/ns/ns1/sa/hello`;
}

function mint(issuer: MintLeafOptions["issuer"], trustDomain: string, options: Partial<MintLeafOptions> = {}) {
  const validity = { notBefore: new Date("2025-12-31"), notAfter: new Date("2026-01-02") };
  return mintLeaf({ issuer, uriSans: [idOf(trustDomain)], ...validity, ...options }).certificate;
}

function federated(trustDomain: TrustDomain, ...roots: readonly (typeof own)[]): FederatedRoots {
  return federateRoots(
    trustDomain,
    roots.map(({ certificate }) => certificate),
  );
}

function verify(overrides: Partial<PeerEvidence> & Pick<PeerEvidence, "certificates">) {
  return verifyPeer({
    sessionReused: false,
    roots: [own.certificate],
    trustDomains: [parseTrustDomain("here.example"), ALIAS],
    federated: [federated(THERE, foreign), federated(THIRD, third)],
    nowMs: NOW,
    ...overrides,
  });
}

describe("a peer of a foreign trust domain", () => {
  it("is trusted by a root of its own domain, to which its path leads", () => {
    const certificate = mint(foreign, "there.example");
    expect(verify({ certificates: [certificate] })).toMatchObject({
      ...{ kind: "trusted", identity: idOf("there.example") },
      path: [certificate, foreign.certificate],
    });
  });

  it("is trusted through an intermediate, and as the server that was expected", () => {
    const signer = mintRoot({ commonName: "signer", issuer: foreign });
    const certificates = [mint(signer, "there.example"), signer.certificate];
    const expected = [parseSpiffeId(idOf("there.example"))];
    expect(verify({ certificates, expected }).kind).toBe("trusted");
    expect(verify({ certificates, expected: [parseSpiffeId(idOf("here.example"))] })).toMatchObject({
      reason: "unexpected_identity",
    });
  });

  it("is trusted by any of its domain's roots, and by one that several domains share", () => {
    const second = mintRoot({ commonName: "second" });
    const trust = { federated: [federated(THERE, foreign, second), federated(THIRD, second)] };
    expect(verify({ certificates: [mint(second, "there.example")], ...trust }).kind).toBe("trusted");
    expect(verify({ certificates: [mint(second, "third.example")], ...trust }).kind).toBe("trusted");
    const shared = { federated: [federated(THERE, own)] };
    expect(verify({ certificates: [mint(own, "there.example")], ...shared }).kind).toBe("trusted");
    expect(verify({ certificates: [mint(own, "here.example")], ...shared }).kind).toBe("trusted");
  });

  it("is trusted by its own domain's root where the mesh's has signed its authority, too", () => {
    const cross = mintRoot({ commonName: "foreign", key: foreign.key, issuer: own });
    const certificates = [mint(foreign, "there.example"), cross.certificate];
    expect(verify({ certificates })).toMatchObject({ kind: "trusted", path: [certificates[0], foreign.certificate] });
  });

  it("is no longer trusted without its domain", () => {
    const certificates = [mint(foreign, "there.example")];
    expect(verify({ certificates, federated: [] })).toMatchObject({ reason: "unknown_root" });
  });
});

describe("an authority is trusted for its own domain alone", () => {
  it.each([
    { name: "a foreign one for the mesh's domain", issuer: foreign, domain: "here.example", by: "there.example" },
    { name: "a foreign one for an alias", issuer: foreign, domain: "old.example", by: "there.example" },
    { name: "a foreign one for a third domain", issuer: foreign, domain: "third.example", by: "there.example" },
    {
      name: "the mesh's for a foreign domain",
      issuer: own,
      domain: "there.example",
      by: "here.example and old.example",
    },
  ])("$name is refused", ({ issuer, domain, by }) => {
    const message = `${idOf(domain)} is signed by an authority of ${by}, which is not trusted for ${domain}`;
    const refused = { kind: "refused", reason: "wrong_authority", message };
    expect(verify({ certificates: [mint(issuer, domain)] })).toEqual(refused);
    const expected = [parseSpiffeId(idOf(domain))];
    expect(verify({ certificates: [mint(issuer, domain)], expected })).toEqual(refused);
  });

  it("a foreign one for a domain that nobody trusts is refused, with those that are trusted", () => {
    const message = `${idOf("evil.example")} has an untrusted trust domain (trusted: here.example, old.example, there.example, third.example)`;
    expect(verify({ certificates: [mint(foreign, "evil.example")] })).toMatchObject({
      ...{ reason: "foreign_trust_domain", message },
    });
  });

  it("the mesh's for an alias is accepted", () => {
    expect(verify({ certificates: [mint(own, "old.example")] }).kind).toBe("trusted");
  });

  it("foreign roots that claim the mesh's own domain have no effect", () => {
    const claiming = [federated(HERE, foreign), federated(ALIAS, foreign)];
    for (const domain of ["here.example", "old.example"]) {
      const verdict = verify({ certificates: [mint(foreign, domain)], federated: claiming });
      expect(verdict).toMatchObject({ kind: "refused", reason: "wrong_authority" });
    }
  });

  it("two roots with one name and different keys are not confused", () => {
    const namesake = mintRoot({ commonName: "own" });
    const trust = { federated: [federated(THERE, namesake)] };
    expect(verify({ certificates: [mint(own, "here.example")], ...trust }).kind).toBe("trusted");
    expect(verify({ certificates: [mint(namesake, "here.example")], ...trust })).toMatchObject({
      reason: "wrong_authority",
    });
  });
});

afterEach(() => vi.restoreAllMocks());

function countCalls(method: "verify" | "checkIssued", act: () => void): number {
  const spy = vi.spyOn(X509Certificate.prototype, method);
  act();
  const { length } = spy.mock.calls;
  spy.mockRestore();
  return length;
}

describe("a peer of no domain", () => {
  it("costs one verification for all domains that share their roots", () => {
    const roots = [foreign.certificate];
    const domains = Array.from({ length: 30 }, (_, index) => federateRoots(parseTrustDomain(`d${index}`), roots));
    // Names the foreign root and has its key identifier, but is signed by another key.
    const forged = mint({ ...foreign, key: own.key }, "there.example");
    const verified = vi.spyOn(forged, "verify");
    expect(verify({ certificates: [forged], federated: domains })).toMatchObject({ reason: "unknown_root" });
    expect(verified).toHaveBeenCalledTimes(1);
  });

  it("costs nothing by the authorities of domains that its chain does not name", () => {
    const domains = Array.from({ length: 32 }, (_, index) => federated(parseTrustDomain(`d${index}`), foreign));
    const certificates = [mint(mintRoot({ commonName: "unknown" }), "d7")];
    const compared = countCalls("checkIssued", () => {
      expect(verify({ certificates, federated: domains })).toMatchObject({ reason: "unknown_root" });
    });
    expect(compared).toBe(2);
  });

  it("costs 32 signatures at most where all roots have the name that its chain uses", () => {
    const roots = Array.from({ length: 16 }, () => mintRoot({ commonName: "x" }));
    const domains = Array.from({ length: 32 }, (_, index) => federated(parseTrustDomain(`d${index}`), ...roots));
    const certificates = mintCrossIssued(ecKey(), 4).certificates.map((der) => new X509Certificate(der));
    const refuse = () =>
      expect(verify({ certificates, federated: domains })).toMatchObject({
        kind: "refused",
        reason: "ambiguous_issuer",
      });
    expect(countCalls("verify", refuse)).toBe(32);
    // Five certificates by the mesh's root, and by those of two domains.
    expect(countCalls("checkIssued", refuse)).toBeLessThanOrEqual(5 * (1 + 32));
  });

  it("is found by the last of 16 roots of one name and without key identifiers", () => {
    const roots = Array.from({ length: 16 }, () => mintRoot({ commonName: "x", keyIdentifier: "none" }));
    const [last = foreign] = roots.slice(-1);
    const certificates = [mint(last, "there.example", { keyIdentifier: "none" })];
    const domains = [federated(THIRD, ...roots), federated(THERE, ...roots)];
    expect(verify({ certificates, federated: domains }).kind).toBe("trusted");
  });
});

describe("the reason of a refusal", () => {
  it("contains nothing of a certificate that leads to no root of any domain", () => {
    const forged = mint(mintRoot({ commonName: "foreign" }), "there.example", {
      uriSans: ["spiffe://evil\n/ns/a/sa/b"],
    });
    const verdict = verify({ certificates: [forged] });
    expect(verdict).toMatchObject({ reason: "unknown_root" });
    expect(JSON.stringify(verdict)).not.toContain("evil");
  });

  it("is that of the foreign root which cannot be used", () => {
    const expired = mintRoot({ commonName: "expired", notAfter: new Date("2025-12-31T12:00:00Z") });
    const trust = { federated: [federated(THERE, expired), federated(THIRD, third)] };
    expect(verify({ certificates: [mint(expired, "there.example")], ...trust })).toMatchObject({ reason: "expired" });
  });
});
