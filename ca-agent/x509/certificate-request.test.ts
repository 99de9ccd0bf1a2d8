import { createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as der from "../../mesh/identity/der-writer.ts";
import { hostileDsaKey, hostileRsaKey } from "../../mesh/identity/hostile-chain-fixture.ts";
import { CaError } from "../ca-error.ts";
import { MAX_CSR_BYTES, parseCertificateRequest } from "./certificate-request.ts";
import { type DerValue, formatBitString, formatDer, formatNull, formatOid, formatSequence } from "./der-values.ts";
import { formatPem } from "./pem.ts";
import { formatPublicKey } from "./public-key.ts";
import { createRequest, derOf, REQUEST_KEY } from "./request-fixture.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;

/** An RSA key of that size without a private half: refused for its size, or else for the signature. */
function rsaSpki(bits: number, exponent = Uint8Array.of(1, 0, 1), padding: readonly number[] = [0]): Buffer {
  // Not by node-forge, which would remove the padding.
  const modulus = der.formatDer(0x02, Buffer.from(padding), Buffer.alloc(bits / 8, 0xff));
  const numbers = der.formatSequence(modulus, der.formatDer(0x02, exponent));
  const algorithm = der.formatSequence(der.formatOid("1.2.840.113549.1.1.1"), der.formatDer(0x05));
  return der.formatSequence(algorithm, der.formatDer(0x03, Buffer.from([0]), numbers));
}

function nest(depth: number): DerValue {
  let value = formatSequence([]);
  for (let level = 0; level < depth; level += 1) value = formatSequence([value]);
  return value;
}

function spkiOf(publicKey: KeyObject): Buffer {
  return publicKey.export({ type: "spki", format: "der" });
}

/** The compressed form of a P-256 point, which OpenSSL accepts. */
function compress(key: KeyObject): Buffer {
  const whole = spkiOf(createPublicKey(key));
  const even = ((whole.at(-1) ?? 0) & 1) === 0;
  const point = Buffer.concat([Buffer.from([even ? 2 : 3]), whole.subarray(27, 59)]);
  const algorithm = formatSequence([formatOid("1.2.840.10045.2.1"), formatOid("1.2.840.10045.3.1.7")]);
  return formatDer(formatSequence([algorithm, formatBitString(point)]));
}

describe("a signing request is accepted", () => {
  it.each([
    { name: "with a P-256 key" },
    { name: "with a P-384 key", key: generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey },
    { name: "with an RSA key of 3072 bits", key: generateKeyPairSync("rsa", { modulusLength: 3072 }).privateKey },
    { name: "with CRLF line endings", edit: (pem: string) => pem.replaceAll("\n", "\r\n") },
    { name: "without a final newline", edit: (pem: string) => pem.trim() },
    {
      name: "under OpenSSL's older label",
      edit: (pem: string) => pem.replaceAll("CERTIFICATE", "NEW CERTIFICATE"),
    },
  ])("$name, and its key is returned unchanged", ({ key = REQUEST_KEY, edit = (pem: string) => pem }) => {
    const pem = (): string => edit(createRequest({ key }));
    expect(parseCertificateRequest(pem())).toEqual(spkiOf(createPublicKey(key)));
  });
});

describe("a signing request is refused", () => {
  const refused: readonly { name: string; pem: () => string; code: string }[] = [
    {
      name: "with a key on P-521",
      pem: () => createRequest({ key: generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey }),
      code: "csr_key",
    },
    {
      name: "with an Ed25519 key",
      pem: () => createRequest({ spki: spkiOf(generateKeyPairSync("ed25519").publicKey) }),
      code: "csr_key",
    },
    {
      name: "with a key that is only for RSA-PSS",
      pem: () => createRequest({ spki: spkiOf(generateKeyPairSync("rsa-pss", { modulusLength: 2048 }).publicKey) }),
      code: "csr_key",
    },
    { name: "with an RSA key of 1024 bits", pem: () => createRequest({ spki: rsaSpki(1024) }), code: "csr_key" },
    { name: "with an RSA key of 16384 bits", pem: () => createRequest({ spki: rsaSpki(16_384) }), code: "csr_key" },
    {
      name: "with the RSA exponent 3",
      pem: () => createRequest({ spki: rsaSpki(2048, Uint8Array.of(3)) }),
      code: "csr_key",
    },
    { name: "with a compressed point", pem: () => createRequest({ spki: compress(REQUEST_KEY) }), code: "csr_key" },
    { name: "with a DSA key", pem: () => createRequest({ spki: hostileDsaKey(2048).publicKeyInfo }), code: "csr_key" },
    {
      name: "with an RSA exponent of 2,000 bits",
      pem: () => createRequest({ spki: hostileRsaKey(2048, Buffer.alloc(255, 0x7f)).publicKeyInfo }),
      code: "csr_key",
    },
    {
      name: "with a point that is not on the curve",
      pem: () => {
        const spki = formatPublicKey(REQUEST_KEY);
        spki[90] = (spki[90] ?? 0) ^ 1;
        return createRequest({ spki });
      },
      code: "csr_key",
    },
    {
      name: "with a public key other than the signing key",
      pem: () => createRequest({ spki: spkiOf(generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey) }),
      code: "csr_signature",
    },
    {
      name: "signed with SHA-1",
      pem: () => createRequest({ hash: "sha1", algorithm: formatSequence([formatOid("1.2.840.10045.4.1")]) }),
      code: "csr_signature",
    },
    {
      name: "that declares RSA and has an EC key",
      pem: () => createRequest({ algorithm: formatSequence([formatOid("1.2.840.113549.1.1.11"), formatNull()]) }),
      code: "csr_signature",
    },
    {
      name: "whose RSA algorithm has no parameters",
      pem: () => createRequest({ key: rsa, algorithm: formatSequence([formatOid("1.2.840.113549.1.1.11")]) }),
      code: "csr_signature",
    },
    {
      name: "whose ECDSA algorithm has parameters",
      pem: () => createRequest({ algorithm: formatSequence([formatOid("1.2.840.10045.4.3.2"), formatNull()]) }),
      code: "csr_signature",
    },
    {
      name: "that is nested 1,000 levels deep",
      pem: () => formatPem("CERTIFICATE REQUEST", formatDer(nest(1000))),
      code: "csr_malformed",
    },
    { name: "of another version", pem: () => createRequest({ version: 1 }), code: "csr_malformed" },
    {
      name: "with something after the attributes",
      pem: () => createRequest({ rest: [formatNull()] }),
      code: "csr_malformed",
    },
    {
      name: "with a padded RSA modulus",
      pem: () => createRequest({ spki: rsaSpki(2048, Uint8Array.of(1, 0, 1), [0, 0]) }),
      code: "csr_key",
    },
    { name: "in two copies", pem: () => createRequest() + createRequest(), code: "csr_malformed" },
    {
      name: "in BER with an indefinite length",
      pem: () => {
        const whole = derOf(createRequest());
        const content = whole.subarray(whole[1] === 0x81 ? 3 : 2);
        const ber = Buffer.concat([Buffer.from([0x30, 0x80]), content, Buffer.from([0, 0])]);
        return formatPem("CERTIFICATE REQUEST", ber);
      },
      code: "csr_malformed",
    },
    {
      name: "above the size limit",
      pem: () => `${createRequest()}${" ".repeat(MAX_CSR_BYTES)}`,
      code: "csr_malformed",
    },
    { name: "that is empty", pem: () => "", code: "csr_malformed" },
  ];
  it.each(refused)("$name: $code", ({ pem, code }) => {
    expect(() => parseCertificateRequest(pem())).toThrow(expect.objectContaining({ code }));
  });

  it("with a CaError, whatever bytes it contains", () => {
    const octets = fc.oneof(fc.uint8Array({ maxLength: 400 }), fc.uint8Array({ maxLength: 60 }).map(sequenceOf));
    fc.assert(
      fc.property(octets, (der) => {
        expect(() => parseCertificateRequest(formatPem("CERTIFICATE REQUEST", der))).toThrow(CaError);
      }),
      { numRuns: 500 },
    );
  });
});

/** Looks like a SEQUENCE from the outside. */
function sequenceOf(content: Uint8Array): Uint8Array {
  return Uint8Array.from([0x30, content.length, ...content]);
}
