import { spawnSync } from "node:child_process";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { derMutation, mutateDer } from "./der-mutations-fixture.ts";
import { IdentityError } from "./identity-error.ts";
import { mintRoot } from "./mint-certificate-fixture.ts";
import { formatSignedPart, mintRevocationList, signRevocationList } from "./mint-revocation-list-fixture.ts";
import { type RevocationList, readRevocationList } from "./revocation-list.ts";

const root = mintRoot({ commonName: "issuer" });
const serials = fc.uniqueArray(fc.bigInt({ min: 1n, max: 2n ** 158n }).map(hexOf), { minLength: 1, maxLength: 8 });
const signedPart = formatSignedPart({
  issuer: root,
  entries: ["4f2a", "50", "51"].map((serialNumber, index) => ({
    serialNumber,
    extensions: index === 1 ? [{ oid: "2.5.29.21", critical: false, der: Buffer.from([0x0a, 1, 1]) }] : [],
  })),
});

/** The content of a positive INTEGER. */
function hexOf(value: bigint): string {
  const digits = value.toString(16);
  const even = digits.length % 2 === 0 ? digits : `0${digits}`;
  return Number.parseInt(even.slice(0, 2), 16) >= 0x80 ? `00${even}` : even;
}

function readOrRefuse(der: Uint8Array): RevocationList | undefined {
  try {
    return readRevocationList(der);
  } catch (caught) {
    expect(caught).toBeInstanceOf(IdentityError);
    return undefined;
  }
}

/** `undefined` if openssl does not read it. */
function readByOpenssl(der: Uint8Array): readonly string[] | undefined {
  const args = ["crl", "-inform", "DER", "-noout", "-text"];
  const { status, stdout } = spawnSync("openssl", args, { input: der, encoding: "latin1" });
  if (status !== 0) return undefined;
  return [...stdout.matchAll(/^ {4}Serial Number: ([0-9A-F]+)/gm)].map(([, digits = ""]) =>
    digits.replace(/^0+(?=.)/, ""),
  );
}

describe("a revocation list", () => {
  it("has exactly the certificates that were written", () => {
    fc.assert(
      fc.property(serials, (written) => {
        const entries = written.map((serialNumber) => ({ serialNumber }));
        const { serialNumbers } = readRevocationList(mintRevocationList({ issuer: root, entries }));
        expect(serialNumbers).toEqual(written.map((digits) => digits.toUpperCase().replace(/^0+/, "")));
      }),
    );
  });

  it("with structural faults is read, or refused with an IdentityError", () => {
    const damaged = fc.array(derMutation, { minLength: 1, maxLength: 3 }).map(mutateAll);
    fc.assert(
      fc.property(damaged, (der) => void readOrRefuse(der)),
      { numRuns: 1000 },
    );
  });

  it("never has fewer certificates than openssl reads in it", () => {
    fc.assert(
      fc.property(derMutation, (mutation) => {
        const der = mutateAll([mutation]);
        const list = readOrRefuse(der);
        if (list === undefined) return;
        expect(list.serialNumbers).toEqual(readByOpenssl(der) ?? list.serialNumbers);
      }),
      { numRuns: 60 },
    );
  });

  it("may be any bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (der) => void readOrRefuse(der)));
  });
});

function mutateAll(mutations: readonly Parameters<typeof mutateDer>[1][]): Buffer {
  let mutated: Uint8Array = signedPart;
  for (const mutation of mutations) {
    try {
      mutated = mutateDer(mutated, mutation);
    } catch {
      // The first fault has made it unreadable for the second.
      break;
    }
  }
  return signRevocationList(mutated, root);
}
