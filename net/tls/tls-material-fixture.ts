/** For tests of TLS: a certificate that serves both sides of a handshake, and its root. */
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";

const ROOT = mintRoot();

const LEAF = mintLeaf({
  issuer: ROOT,
  uriSans: ["spiffe://cluster.local/ns/ns1/sa/default"],
  notBefore: new Date(Date.now() - 1000),
  notAfter: new Date(Date.now() + 86_400_000),
});

export const MATERIAL = { cert: LEAF.pem, key: LEAF.keyPem, ca: ROOT.pem };
