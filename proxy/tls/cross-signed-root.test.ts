import { expect, it } from "vitest";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { createSvidKey } from "./csr.ts";
import { svidFromIssued } from "./issued-certificate.ts";

// All with one name, as the roots of one trust domain.
const [oldRoot, newRoot] = [mintRoot(), mintRoot()];
const crossSigned = mintRoot({ key: newRoot.key, issuer: oldRoot });
const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const trustDomains = [parseTrustDomain("cluster.local")];
const nowMs = Date.parse("2030-01-01T00:00:00Z");

it.each([
  { name: "the old root alone", roots: [oldRoot] },
  { name: "the new root alone", roots: [newRoot] },
  { name: "both", roots: [oldRoot, newRoot] },
])(
  "during a rotation, who trusts $name uses a certificate of the new root and shows how it leads to the old one",
  ({ roots }) => {
    const privateKey = createSvidKey();
    const leaf = mintLeaf({
      ...{ issuer: newRoot, uriSans: [identity], key: privateKey },
      ...{ notBefore: new Date(nowMs - 1000), notAfter: new Date(nowMs + 1000) },
    });
    const chain = [leaf.pem, crossSigned.pem, `${newRoot.pem}${oldRoot.pem}`];
    const trust = { roots: roots.map(({ certificate }) => certificate), trustDomains };
    const { certificates } = svidFromIssued({ chain, privateKey, identity, trust, nowMs });
    expect(certificates.map(({ raw }) => raw)).toEqual([leaf.certificate.raw, crossSigned.certificate.raw]);
  },
);
