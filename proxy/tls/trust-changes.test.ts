import { describe, expect, it } from "vitest";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { federateRoots } from "../../mesh/policy/authentication/peer-trust.ts";
import { indexRevocations } from "../../mesh/policy/authentication/revocations.ts";
import type { TrustAnchors } from "./trust-anchors.ts";
import { authoritiesOf, hasSameAuthorities, keepUnchanged, takeKnown } from "./trust-changes.ts";

const [ONE, TWO] = [mintRoot({ commonName: "one" }).certificate, mintRoot({ commonName: "two" }).certificate];
const DOMAIN = parseTrustDomain("cluster.local");
const FOREIGN = parseTrustDomain("elsewhere.example");
const HELLO = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");

/** A bundle as it is parsed again with each response: equal, and no part the same object. */
function received(changes: Partial<TrustAnchors> = {}): TrustAnchors {
  return {
    roots: [ONE],
    trustDomains: [DOMAIN],
    federated: [federateRoots(FOREIGN, [TWO])],
    revocations: indexRevocations({ certificates: [{ serialNumber: "A" }], identities: [] }),
    signingRoot: ONE,
    ...changes,
  };
}

const HELD = received();

describe("a trust bundle that is received again", () => {
  it("is the one that is held, if nothing has changed", () => {
    expect(keepUnchanged(received(), HELD)).toBe(HELD);
  });

  it.each([
    { name: "another root", changes: { roots: [ONE, TWO] } },
    { name: "another trust domain", changes: { trustDomains: [DOMAIN, FOREIGN] } },
    { name: "another foreign root", changes: { federated: [federateRoots(FOREIGN, [ONE])] } },
    { name: "another foreign domain", changes: { federated: [federateRoots(DOMAIN, [TWO])] } },
    { name: "no foreign domain", changes: { federated: [] } },
  ])("has other authorities with $name, and the revocations that are held", ({ changes }) => {
    const kept = keepUnchanged(received(changes), HELD);
    expect(kept).toMatchObject(changes);
    expect(hasSameAuthorities(kept, HELD)).toBe(false);
    expect(kept.revocations).toBe(HELD.revocations);
  });

  it.each([
    { name: "another revocation", revocations: indexRevocations({ certificates: [], identities: [HELLO] }) },
    { name: "a revocation lifted", revocations: indexRevocations({ certificates: [], identities: [] }) },
  ])("has the same authorities with $name", ({ revocations }) => {
    const kept = keepUnchanged(received({ revocations }), HELD);
    expect(kept).not.toBe(HELD);
    expect(kept.revocations).toBe(revocations);
    expect(hasSameAuthorities(kept, HELD)).toBe(true);
  });

  it("without its revocations has none", () => {
    const { revocations: _lifted, ...rest } = received();
    expect(keepUnchanged(rest, HELD).revocations).toBeUndefined();
    expect(keepUnchanged(rest, rest)).toBe(rest);
  });

  it("has the same authorities with another signing root", () => {
    const kept = keepUnchanged(received({ signingRoot: TWO }), HELD);
    expect(kept.signingRoot).toBe(TWO);
    expect(hasSameAuthorities(kept, HELD)).toBe(true);
  });
});

it("what a connection keeps of a bundle has neither its revocations nor its signing root", () => {
  expect(authoritiesOf(HELD)).toEqual({
    roots: HELD.roots,
    trustDomains: HELD.trustDomains,
    federated: HELD.federated,
  });
  expect(hasSameAuthorities(authoritiesOf(HELD), HELD)).toBe(true);
});

describe("a bundle of a control plane that is behind", () => {
  const revoke = (count: number, first = 0) =>
    indexRevocations({
      certificates: Array.from({ length: count }, (_, index) => ({ serialNumber: (first + index).toString(16) })),
      identities: [],
    });

  it.each(["plugged", "own"] as const)(
    "in the %s authority keeps roots, trust domains, foreign roots and the signing root",
    (source) => {
      const { trust, isPartial } = takeKnown(
        received({ roots: [TWO], trustDomains: [FOREIGN], federated: [], signingRoot: TWO, revocations: revoke(2) }),
        HELD,
        [source],
      );
      expect(isPartial).toBe(true);
      expect(hasSameAuthorities(trust, HELD)).toBe(true);
      expect(trust.signingRoot).toBe(HELD.signingRoot);
      expect(trust.revocations?.size).toBe(2);
    },
  );

  it.each(["revocations", "lists"] as const)("in the %s lifts none, and takes everything else", (source) => {
    const { trust, isPartial } = takeKnown(received({ roots: [TWO], revocations: revoke(2) }), HELD, [source]);
    expect([isPartial, trust.roots, trust.revocations?.size]).toEqual([true, [TWO], 3]);
    const { revocations: _, ...lifted } = received();
    expect(takeKnown(lifted, HELD, [source])).toMatchObject({
      isPartial: true,
      trust: { revocations: HELD.revocations },
    });
  });

  it("is taken whole if it only adds revocations, or is equal", () => {
    const more = indexRevocations({ certificates: [{ serialNumber: "A" }, { serialNumber: "B" }], identities: [] });
    expect(takeKnown(received({ revocations: more }), HELD, ["revocations"]).isPartial).toBe(false);
    expect(takeKnown(received(), HELD, ["plugged", "own", "revocations", "lists"]).isPartial).toBe(false);
    const { revocations: _, ...rest } = received();
    expect(takeKnown(received(), rest, ["lists"])).toMatchObject({ isPartial: false, trust: { roots: [ONE] } });
  });

  it("adds no more revocations than a proxy can keep, and then lifts none", () => {
    const held = received({ revocations: revoke(150_000) });
    const { trust, isPartial } = takeKnown(received({ revocations: revoke(150_000, 125_000) }), held, ["revocations"]);
    expect([isPartial, trust.revocations]).toEqual([true, held.revocations]);
    expect(takeKnown(received({ revocations: revoke(10_000, 145_000) }), held, ["lists"]).trust.revocations?.size).toBe(
      155_000,
    );
  });
});
