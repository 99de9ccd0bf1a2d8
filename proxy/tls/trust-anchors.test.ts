import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { INVALID_TIME } from "../../mesh/identity/der-writer.ts";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import type { FederatedDomain, TrustBundle } from "../../mesh/policy/types.ts";
import { createSecureContextSource } from "./secure-context-source.ts";
import { parseTrustAnchors, type TrustAnchors } from "./trust-anchors.ts";

const own = mintRoot({ commonName: "own" });
const [one, two] = [mintRoot({ commonName: "one" }), mintRoot({ commonName: "two" })];
const VALID = { notBefore: new Date("2025-01-01"), notAfter: new Date("2035-01-01") };
const IDENTITY = parseSpiffeId("spiffe://here.example/ns/ns1/sa/hello");

function bundle(...federated: readonly FederatedDomain[]): TrustBundle {
  return { roots: [own.pem], trustDomains: [parseTrustDomain("here.example")], federated };
}

function domain(name: string, ...roots: readonly MintedCertificate[]): FederatedDomain {
  return { trustDomain: parseTrustDomain(name), roots: roots.map(({ pem }) => pem) };
}

function incomplete(name: string, ...roots: readonly MintedCertificate[]): FederatedDomain {
  return { ...domain(name, ...roots), incomplete: true };
}

/** The names of each foreign domain's roots. */
function namesOf({ federated = [] }: TrustAnchors): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    federated.map(({ trustDomain, roots }) => [trustDomain, roots.map(({ subject }) => subject?.slice(3) ?? "")]),
  );
}

describe("a bundle that is refused because of a root", () => {
  const unreadable = Buffer.from("not a certificate at all");
  const pem = `-----BEGIN CERTIFICATE-----\n${unreadable.toString("base64")}\n-----END CERTIFICATE-----\n`;
  const leaf = mintLeaf({ issuer: own, uriSans: [IDENTITY], ...VALID });
  const sha256 = createHash("sha256").update(unreadable).digest("hex").toUpperCase().match(/../g)?.join(":");
  it.each([
    { name: "that cannot be read", roots: [own.pem, pem], fingerprint: sha256 },
    { name: "that is no authority", roots: [leaf.pem, own.pem], fingerprint: leaf.certificate.fingerprint256 },
    { name: "of which there is none: then no root is named", roots: [], fingerprint: undefined },
  ])("names the one $name", ({ roots, fingerprint }) => {
    const refused = expect.objectContaining({ details: fingerprint === undefined ? {} : { fingerprint } });
    expect(() => parseTrustAnchors({ ...bundle(), roots })).toThrow(refused);
  });
});

describe("the foreign trust domains of a bundle", () => {
  it("have their own roots, and share a list where these are the same", () => {
    const anchors = parseTrustAnchors(bundle(domain("a", one, two), domain("b", two), domain("c", one, two)));
    expect(namesOf(anchors)).toEqual({ a: ["one", "two"], b: ["two"], c: ["one", "two"] });
    expect(anchors.roots.map(({ subject }) => subject)).toEqual(["CN=own"]);
    const [a, , c] = anchors.federated ?? [];
    expect(a?.roots).toBe(c?.roots);
  });

  it("keep their roots while the control plane does not know them all, and no longer", () => {
    const known = parseTrustAnchors(bundle(domain("a", one), domain("b", one)));
    const later = parseTrustAnchors(bundle(incomplete("a"), incomplete("b", two, one), incomplete("c")), known);
    expect(namesOf(later)).toEqual({ a: ["one"], b: ["two", "one"] });
    expect(namesOf(parseTrustAnchors(bundle(domain("a", two)), later))).toEqual({ a: ["two"] });
    expect(parseTrustAnchors(bundle(), later).federated).toBeUndefined();
  });

  const leaf = mintLeaf({
    ...{ issuer: one, uriSans: [], ...VALID },
  });
  const undated = mintRoot({ notAfter: INVALID_TIME });
  it.each([
    { name: "of the mesh itself", federated: domain("here.example", one), error: /a trust domain of the mesh itself/ },
    { name: "of the mesh itself, incomplete", federated: incomplete("here.example"), error: /of the mesh itself/ },
    { name: "with a leaf for a root", federated: domain("a", one, leaf), error: /not a certificate authority/ },
    { name: "with an undated root", federated: domain("a", one, undated), error: /dates that cannot be read/ },
    { name: "with what is no certificate", federated: { ...domain("a"), roots: ["x"] }, error: /no PEM certificate/ },
  ])("make the bundle unusable if one is $name", ({ federated, error }) => {
    expect(() => parseTrustAnchors(bundle(federated))).toThrow(error);
  });

  it("make new material when they change, and only then", () => {
    const clock = new FakeClock(Date.parse("2026-01-01"));
    const source = createSecureContextSource({ trust: parseTrustAnchors(bundle()), clock });
    const times = { notBefore: new Date("2025-12-31"), notAfter: new Date("2026-01-02") };
    const { certificate, keyPem } = mintLeaf({ issuer: own, uriSans: [IDENTITY], ...times });
    const notAfterMs = times.notAfter.getTime();
    source.setSvid({ identity: IDENTITY, certificates: [certificate], privateKeyPem: keyPem, notAfterMs });
    const generations = [
      ...[bundle(domain("a", one)), bundle(domain("a", one)), bundle(domain("a", one, two))],
      ...[bundle(domain("b", one, two)), bundle(incomplete("b")), bundle(), bundle()],
    ].map((next) => {
      source.setTrust(parseTrustAnchors(next, source.trust()));
      return source.current()?.generation;
    });
    expect(generations).toEqual([2, 2, 3, 4, 4, 5, 5]);
  });
});
