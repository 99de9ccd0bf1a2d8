import { sign } from "node:crypto";
import fc from "fast-check";
import { expect, it } from "vitest";
import { type DerMutation, derMutation, mutateDer } from "../../mesh/identity/der-mutations-fixture.ts";
import { DER_TAG, DerReader } from "../../mesh/identity/der-reader.ts";
import { formatDer, formatSequence } from "../../mesh/identity/der-writer.ts";
import { type MintedCertificate, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { CaError } from "../ca-error.ts";
import { formatPem } from "../x509/pem.ts";
import { filesOf } from "./authority-fixture.ts";
import { parseSigningMaterial } from "./signing-material.ts";

/** What an operator plugs in, with a fault in one certificate that the root has signed all the same. */
const NOW_MS = Date.parse("2026-01-01");
const root = mintRoot({ commonName: "root" });
const signer = mintRoot({ commonName: "signer", issuer: root, pathLength: 0 });

function damage(minted: MintedCertificate, mutation: DerMutation): MintedCertificate {
  const outer = new DerReader(minted.certificate.raw);
  const certificate = outer.inside(outer.expect(DER_TAG.sequence, "the certificate"));
  const signed = mutateDer(certificate.whole(certificate.next("the signed part")), mutation);
  const algorithm = certificate.whole(certificate.next("the algorithm"));
  const signature = formatDer(DER_TAG.bitString, Buffer.from([0]), sign("sha256", signed, root.key));
  return { ...minted, pem: formatPem("CERTIFICATE", formatSequence(signed, algorithm, signature)) };
}

it.each([
  { name: "the signing certificate", replace: { signer: true, root: false } },
  { name: "the root", replace: { signer: false, root: true } },
])("a fault anywhere in $name is accepted or refused with a CaError, never with another error", ({ replace }) => {
  fc.assert(
    fc.property(derMutation, (mutation) => {
      const files = filesOf({
        signer: replace.signer ? damage(signer, mutation) : signer,
        roots: [replace.root ? damage(root, mutation) : root],
      });
      try {
        expect(parseSigningMaterial(files, NOW_MS).roots).toHaveLength(1);
      } catch (caught) {
        expect(caught).toBeInstanceOf(CaError);
      }
    }),
    { numRuns: 400 },
  );
});
