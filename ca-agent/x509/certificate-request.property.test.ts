import { generateKeyPairSync, type KeyObject } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { derMutation, mutateDer, nest } from "../../mesh/identity/der-mutations-fixture.ts";
import { DerReader } from "../../mesh/identity/der-reader.ts";
import { CaError } from "../ca-error.ts";
import { MAX_CSR_BYTES, parseCertificateRequest } from "./certificate-request.ts";
import { formatPem } from "./pem.ts";
import { formatPublicKey } from "./public-key.ts";
import { createRequest, derOf, requestForName, signRequest } from "./request-fixture.ts";
import { readRequestedNames } from "./requested-names.ts";

const HELLO = "spiffe://cluster.local/ns/ns1/sa/hello";
const KEYS: readonly { readonly name: string; readonly key: KeyObject }[] = [
  { name: "P-256", key: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey },
  { name: "P-384", key: generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey },
  { name: "RSA", key: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey },
];

const pemOf = (der: Uint8Array): string => formatPem("CERTIFICATE REQUEST", der);

/** The signed part of a sidecar's request, with its requested names. */
function signedPart(key: KeyObject): Uint8Array {
  const outer = new DerReader(derOf(createRequest({ key, attributes: [requestForName(HELLO)] })));
  const request = outer.inside(outer.expect(0x30, "the request"));
  return request.whole(request.expect(0x30, "the signed part"));
}

/** Any other error than a CaError fails the test. */
function refuses(parse: () => unknown): boolean {
  try {
    parse();
    return false;
  } catch (caught) {
    expect(caught).toBeInstanceOf(CaError);
    return true;
  }
}

describe.each(KEYS)("of a request with a $name key", ({ key }) => {
  const whole = derOf(createRequest({ key }));

  it("no bit can be changed", () => {
    const flips = fc.tuple(fc.nat(whole.length - 1), fc.nat(7));
    fc.assert(
      fc.property(flips, ([at, bit]) => {
        const changed = Buffer.from(whole);
        changed[at] = (changed[at] ?? 0) ^ (1 << bit);
        expect(refuses(() => parseCertificateRequest(pemOf(changed)))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("no byte can be missing or follow", () => {
    for (let length = 0; length < whole.length; length += 1) {
      expect(refuses(() => parseCertificateRequest(pemOf(whole.subarray(0, length))))).toBe(true);
    }
    const tail = fc.uint8Array({ minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(tail, (bytes) => {
        expect(refuses(() => parseCertificateRequest(pemOf(Buffer.concat([whole, bytes]))))).toBe(true);
      }),
      { numRuns: 100 },
    );
  });

  it("every structural fault is refused, because it is not signed", () => {
    fc.assert(
      fc.property(derMutation, (mutation) => {
        const changed = mutateDer(whole, mutation);
        fc.pre(!changed.equals(whole));
        expect(refuses(() => parseCertificateRequest(pemOf(changed)))).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it("only the key that signed it is ever returned, whatever the signed part contains", () => {
    const own = Buffer.from(formatPublicKey(key));
    const info = signedPart(key);
    fc.assert(
      fc.property(derMutation, (mutation) => {
        const pem = signRequest(mutateDer(info, mutation), key);
        const isRefused = refuses(() => expect(own.equals(parseCertificateRequest(pem))).toBe(true));
        if (!isRefused) refuses(() => readRequestedNames(pem));
      }),
      { numRuns: 300 },
    );
  });
});

describe("the processor's time", () => {
  const LIMIT_MS = 1000;
  const bytes = (MAX_CSR_BYTES * 3) / 4 - 200;
  const key = KEYS[0]?.key ?? generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  it.each([
    { name: "sequences in each other", pem: () => pemOf(nest(Buffer.alloc(0), 3900)) },
    { name: "thousands of empty sequences", pem: () => pemOf(nest(Buffer.alloc(bytes, Buffer.from([0x30, 0])), 1)) },
    {
      name: "an integer of 12 KB",
      pem: () =>
        pemOf(mutateDer(derOf(createRequest()), { at: 2, other: 0, fault: { kind: "huge", bytes, octet: 0x7f } })),
    },
    { name: "white space", pem: () => `-----BEGIN CERTIFICATE REQUEST-----${" ".repeat(MAX_CSR_BYTES - 100)}` },
    { name: "labels", pem: () => "-----BEGIN A-----".repeat(MAX_CSR_BYTES / 17) },
    {
      name: "an object identifier of 12 KB",
      pem: () =>
        pemOf(nest(Buffer.concat([Buffer.from([0x06, 0x82, bytes >> 8, bytes & 0xff]), Buffer.alloc(bytes, 0x81)]), 1)),
    },
    { name: "ten thousand attributes", pem: () => signRequest(withAttributes(key, bytes), key) },
  ])("of a request of $name is bounded", ({ pem }) => {
    const text = pem();
    expect(text.length).toBeGreaterThan(MAX_CSR_BYTES / 2);
    const before = process.cpuUsage();
    refuses(() => parseCertificateRequest(text));
    refuses(() => readRequestedNames(text));
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1000).toBeLessThan(LIMIT_MS);
  });
});

/** A signed part with as many empty attributes as fit. */
function withAttributes(key: KeyObject, bytes: number): Buffer {
  const length = bytes - 400 - (bytes % 2);
  const attributes = Buffer.concat([
    Buffer.from([0xa0, 0x82, length >> 8, length & 0xff]),
    Buffer.alloc(length, Buffer.from([0x30, 0])),
  ]);
  const content = Buffer.concat([Buffer.from([2, 1, 0, 0x30, 0]), formatPublicKey(key), attributes]);
  return Buffer.concat([Buffer.from([0x30, 0x82, content.length >> 8, content.length & 0xff]), content]);
}
