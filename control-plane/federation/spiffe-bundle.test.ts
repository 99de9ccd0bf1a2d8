import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatOid, formatSequence } from "../../mesh/identity/der-writer.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { keyOf } from "./bundle-fixture.ts";
import { parseSpiffeBundle } from "./spiffe-bundle.ts";

const [one, two] = [mintRoot({ commonName: "one" }), mintRoot({ commonName: "two" })];

describe("a SPIFFE bundle", () => {
  it("is the roots of its keys for X.509-SVIDs, with its sequence number", () => {
    const tokens = { kty: "EC", use: "jwt-svid", kid: "a", crv: "P-256", x: "AA", y: "AA" };
    const keys = [keyOf(one), tokens, { kty: "EC" }, { ...keyOf(two), kty: "AKP" }, keyOf(two), keyOf(one), 1];
    const text = JSON.stringify({ keys, spiffe_sequence: 7, spiffe_refresh_hint: 600, other: true });
    expect(parseSpiffeBundle(text)).toEqual({
      kind: "bundle",
      bundle: { roots: [one, two].map(({ certificate }) => certificate.toString()), sequence: 7, refreshMs: 600_000 },
    });
  });

  it.each([
    { hint: 600, refreshMs: 600_000 },
    { hint: undefined, refreshMs: 300_000 },
    { hint: 0, refreshMs: 300_000 },
    { hint: -5, refreshMs: 300_000 },
    { hint: "60", refreshMs: 300_000 },
    { hint: 1, refreshMs: 60_000 },
    { hint: 0.5, refreshMs: 300_000 },
    { hint: 90.5, refreshMs: 300_000 },
    { hint: 2_419_200, refreshMs: 3_600_000 },
    { hint: 1e308, refreshMs: 3_600_000 },
  ])("with the hint $hint is fetched again after $refreshMs ms", ({ hint, refreshMs }) => {
    const read = parseSpiffeBundle(JSON.stringify({ keys: [keyOf(one)], spiffe_refresh_hint: hint }));
    expect(read).toMatchObject({ kind: "bundle", bundle: { refreshMs } });
  });

  const der = one.certificate.raw.toString("base64");
  const signer = mintRoot({ issuer: one });
  const codeSigning = formatSequence(formatOid("1.3.6.1.5.5.7.3.3"));
  const otherwise = mintRoot({ extensions: [{ oid: "2.5.29.37", critical: false, der: codeSigning }] });
  it.each([
    { name: "that is empty", document: { keys: [] }, reason: /^it is empty: .* take it out of caCertificates/ },
    {
      name: "with keys for tokens alone",
      document: { keys: [{ kty: "EC", use: "jwt-svid" }] },
      reason: /^it is empty/,
    },
    { name: "without keys", document: { spiffe_sequence: 1 }, reason: /not a JSON Web Key Set/ },
    { name: "that is a list", document: [keyOf(one)], reason: /not a JSON Web Key Set/ },
    {
      name: "with a sequence that is a text",
      document: { keys: [keyOf(one)], spiffe_sequence: "1" },
      reason: /spiffe_sequence/,
    },
    ...[-1, 1.5, 2 ** 64, 1e308, null].map((sequence) => ({
      name: `with the sequence ${sequence}`,
      document: { keys: [keyOf(one)], spiffe_sequence: sequence },
      reason: /^its spiffe_sequence is not a whole number of 64 bits/,
    })),
    {
      name: "with a key without a certificate",
      document: { keys: [keyOf(one), { ...keyOf(two), x5c: undefined }] },
      reason: /^key 2 has no x5c/,
    },
    {
      name: "with a chain for a key",
      document: { keys: [{ ...keyOf(one), x5c: [der, der] }] },
      reason: /^key 1 has no x5c with exactly one/,
    },
    {
      name: "with another alphabet",
      document: { keys: [{ ...keyOf(one), x5c: [`${der} `] }] },
      reason: /is not base64/,
    },
    {
      name: "with a damaged certificate",
      document: { keys: [{ ...keyOf(one), x5c: [der.slice(4)] }] },
      reason: /certificate of key 1 cannot be read/,
    },
    {
      name: "with an intermediate",
      document: { keys: [keyOf(one), keyOf(signer)] },
      reason: /key 2 is not self-signed/,
    },
    {
      name: "with a root for other uses than TLS",
      document: { keys: [keyOf(one), keyOf(otherwise)] },
      reason: /^the certificate of key 2: certificate \S+ has an extended key usage that allows neither TLS/,
    },
    {
      name: "with a root of 9 KB",
      document: { keys: [keyOf(one), keyOf(mintRoot({ commonName: "x".repeat(9000) }))] },
      reason: /^the certificate of key 2 has \d+ bytes; at most 8192 are accepted/,
    },
    {
      name: "with 101 keys",
      document: { keys: Array.from({ length: 101 }, () => ({})) },
      reason: /101 keys; at most 100/,
    },
  ])("$name is refused whole", ({ document, reason }) => {
    const read = parseSpiffeBundle(JSON.stringify(document));
    expect(read).toMatchObject({ kind: "refused", reason: expect.stringMatching(reason) });
  });

  it("may have the highest sequence number of 64 bits", () => {
    const text = JSON.stringify({ keys: [keyOf(one)], spiffe_sequence: 2 ** 64 - 2048 });
    expect(parseSpiffeBundle(text)).toMatchObject({ kind: "bundle", bundle: { sequence: 2 ** 64 - 2048 } });
  });

  it("of any content is read or refused, and never throws", () => {
    const key = fc.record(
      {
        kty: fc.constantFrom("EC", "RSA", "x"),
        use: fc.constantFrom("x509-svid", "jwt-svid"),
        x5c: fc.oneof(fc.array(fc.oneof(fc.base64String(), fc.constant(der)), { maxLength: 2 }), fc.jsonValue()),
      },
      { requiredKeys: [] },
    );
    const document = fc.record(
      { keys: fc.array(key, { maxLength: 3 }), spiffe_sequence: fc.jsonValue() },
      { requiredKeys: ["keys"] },
    );
    const text = fc.oneof(
      document.map((value) => JSON.stringify(value)),
      fc.json(),
      fc.string(),
    );
    fc.assert(
      fc.property(text, (given) => {
        const read = parseSpiffeBundle(given);
        if (read.kind === "bundle") expect(read.bundle.roots).toEqual([one.certificate.toString()]);
      }),
      { numRuns: 500 },
    );
  });
});
