import { createPublicKey, generateKeyPairSync, type KeyObject, sign, X509Certificate } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { readCertificateParts } from "./certificate-parts.ts";
import { findChainLimitFault } from "./chain-limits.ts";
import { derMutation, mutateDer } from "./der-mutations-fixture.ts";
import { DER_TAG, DerReader } from "./der-reader.ts";
import { formatDer, formatSequence } from "./der-writer.ts";
import { IdentityError } from "./identity-error.ts";
import { mintLeaf, mintRoot } from "./mint-certificate-fixture.ts";
import { findPublicKeyFault } from "./public-key-rules.ts";
import { verifyChain } from "./verify-chain.ts";
import { readExtensions } from "./x509-extensions.ts";
import { readSubjectAltNames } from "./x509-san.ts";

/** Certificates with one fault each, which their issuer has signed again: what a broken authority could send. */
const IDENTITY = "spiffe://cluster.local/ns/ns1/sa/hello";
const NOW_MS = Date.parse("2026-01-01");
const root = mintRoot({ notAfter: new Date("2040-01-01") });
const leaf = mintLeaf({
  issuer: root,
  uriSans: [IDENTITY],
  notBefore: new Date("2025-01-01"),
  notAfter: new Date("2030-01-01"),
});
const parts = split(leaf.certificate.raw);

function split(der: Uint8Array) {
  const outer = new DerReader(der);
  const certificate = outer.inside(outer.expect(DER_TAG.sequence, "the certificate"));
  const signed = certificate.whole(certificate.next("the signed part"));
  return { signed, algorithm: certificate.whole(certificate.next("the algorithm")) };
}

function signAgain(signed: Uint8Array): Buffer {
  const signature = formatDer(DER_TAG.bitString, Buffer.from([0]), sign("sha256", signed, root.key));
  return formatSequence(signed, parts.algorithm, signature);
}

const damaged = derMutation.map((mutation) => signAgain(mutateDer(parts.signed, mutation)));

/** `undefined` for what it refuses with an IdentityError; any other error fails the test. */
function readOrRefuse<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (caught) {
    expect(caught).toBeInstanceOf(IdentityError);
    return undefined;
  }
}

describe("a certificate with a structural fault", () => {
  it("is read or refused with an IdentityError by every parser", () => {
    fc.assert(
      fc.property(damaged, (der) => {
        readOrRefuse(() => readCertificateParts(der));
        readOrRefuse(() => readExtensions(der));
        readOrRefuse(() => readSubjectAltNames(der));
        expect(findChainLimitFault([der])?.message ?? "").not.toContain("undefined");
      }),
      { numRuns: 800 },
    );
  });

  it("that its issuer signed again is judged without an exception", () => {
    fc.assert(
      fc.property(damaged, (der) => {
        const certificate = parseByOpenSsl(der);
        fc.pre(certificate !== undefined);
        const input = { intermediates: [], roots: [root.certificate], nowMs: NOW_MS };
        expect(["chained", "broken"]).toContain(verifyChain({ leaf: certificate ?? leaf.certificate, ...input }).kind);
      }),
      { numRuns: 250 },
    );
  });

  it("has the URI names for us that OpenSSL reads in it", () => {
    fc.assert(
      fc.property(damaged, (der) => {
        const certificate = parseByOpenSsl(der);
        fc.pre(certificate !== undefined);
        const names = readOrRefuse(() => readSubjectAltNames(der));
        if (names !== undefined) expect(urisByOpenSsl(certificate)).toEqual(names.uris);
      }),
      { numRuns: 250 },
    );
  });

  // Node writes these as JSON strings, with `\u002c` for a comma.
  it.each([
    "spiffe://c,uster.local/ns/ns1/sa/hello",
    'spiffe://cluster.local/ns/ns1/sa/"hello"',
    "spiffe://cluster.local/ns/ns1/sa/hel\\lo",
    "spiffe://cluster.local/ns/ns1/sa/hello,URI:spiffe://cluster.local/ns/ns1/sa/admin",
  ])("that changes a URI name to %s has this name for us and for OpenSSL", (uri) => {
    const validity = { notBefore: new Date("2025-01-01"), notAfter: new Date("2030-01-01") };
    const { raw } = mintLeaf({ issuer: root, uriSans: [uri, IDENTITY], ...validity }).certificate;
    expect(readSubjectAltNames(raw).uris).toEqual([uri, IDENTITY]);
    expect(urisByOpenSsl(parseByOpenSsl(raw))).toEqual([uri, IDENTITY]);
  });

  it.each([
    { name: "EC", key: generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey },
    { name: "RSA", key: generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey },
  ])("has an accepted $name key only in the encoding that OpenSSL writes", ({ key }) => {
    const spki = key.export({ type: "spki", format: "der" });
    expect(findPublicKeyFault(spki)).toBeUndefined();
    fc.assert(
      fc.property(derMutation, (mutation) => {
        const changed = mutateDer(spki, mutation);
        if (findPublicKeyFault(changed) !== undefined) return;
        const decoded = decodeByOpenSsl(changed);
        // Accepted by its form, refused for its numbers: a point that is not on the curve.
        if (decoded === undefined) return;
        expect(decoded.export({ type: "spki", format: "der" }).equals(changed)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});

/** What OpenSSL does not even decode never reaches `verifyChain`. */
function parseByOpenSsl(der: Uint8Array): X509Certificate | undefined {
  try {
    return new X509Certificate(der);
  } catch {
    return undefined;
  }
}

/** From Node's text of OpenSSL's names. It quotes and escapes a name that could be taken for two (CVE-2021-44532). */
function urisByOpenSsl(certificate: X509Certificate | undefined): string[] {
  const entries = (certificate?.subjectAltName ?? "").matchAll(/(?:^|, )URI:("(?:[^"\\]|\\.)*"|[^,"]*)/g);
  return [...entries].map(([, name = ""]) => (name.startsWith('"') ? String(JSON.parse(name)) : name));
}

function decodeByOpenSsl(spki: Buffer): KeyObject | undefined {
  try {
    return createPublicKey({ key: spki, type: "spki", format: "der" });
  } catch {
    return undefined;
  }
}
