import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IdentityError } from "./identity-error.ts";
import { mintLeaf, mintRoot } from "./mint-certificate-fixture.ts";
import { readSubjectAltNames } from "./x509-san.ts";

const SPIFFE = "spiffe://cluster.local/ns/a/sa/b";
const valid = mintLeaf({
  issuer: mintRoot(),
  uriSans: [SPIFFE],
  dnsSans: ["a.example"],
  notBefore: new Date("2024-01-01"),
  notAfter: new Date("2034-01-01"),
}).certificate.raw;

function readsOrRefuses(der: Uint8Array): void {
  try {
    const names = readSubjectAltNames(der);
    for (const text of [...names.uris, ...names.dnsNames, ...names.emails]) expect(text).toMatch(/^[\x21-\x7e]+$/);
  } catch (caught) {
    expect(caught).toBeInstanceOf(IdentityError);
  }
}

describe("the certificate reader", () => {
  it("accepts or refuses arbitrary bytes, and never fails otherwise", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), readsOrRefuses), { numRuns: 2000 });
  });

  it("accepts or refuses a certificate with changed bytes", () => {
    const change = fc.tuple(fc.nat(valid.length - 1), fc.nat(255));
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), (changes) => {
        const mutated = Uint8Array.from(valid);
        for (const [offset, octet] of changes) mutated[offset] = octet;
        readsOrRefuses(mutated);
      }),
      { numRuns: 5000 },
    );
  });

  it("refuses every truncated certificate", () => {
    for (let length = 0; length < valid.length; length += 1) {
      expect(() => readSubjectAltNames(valid.subarray(0, length))).toThrow(IdentityError);
    }
  });
});
