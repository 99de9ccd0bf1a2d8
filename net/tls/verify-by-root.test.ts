import { describe, expect, it } from "vitest";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { verifyByRoot } from "./verify-by-root.ts";

const root = mintRoot({ commonName: "root" });
const signer = mintRoot({ commonName: "signer", issuer: root });
const HOUR_MS = 3_600_000;

function leafOf(issuer: MintedCertificate, options: { usages?: readonly "server"[]; endsInMs?: number } = {}) {
  const { endsInMs = HOUR_MS, ...usages } = options;
  const times = { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(Date.now() + endsInMs) };
  return mintLeaf({ issuer, uriSans: ["spiffe://a/ns/b/sa/c"], ...times, ...usages }).certificate;
}

describe("OpenSSL, with one root alone,", () => {
  it.each(["client", "server"] as const)("accepts a %s whose chain leads to it", (role) => {
    expect(verifyByRoot({ certificates: [leafOf(root)], root: root.certificate, role })).toBeUndefined();
    const certificates = [leafOf(signer), signer.certificate];
    expect(verifyByRoot({ certificates, root: root.certificate, role })).toBeUndefined();
  });

  it.each([
    { name: "of another root", certificates: [leafOf(mintRoot())], reason: "unable to get local issuer" },
    { name: "without its intermediate", certificates: [leafOf(signer)], reason: "unable to get local issuer" },
    {
      name: "signed by another key under the root's name",
      certificates: [leafOf({ ...root, key: signer.key })],
      reason: "certificate signature failure",
    },
    { name: "that has expired", certificates: [leafOf(root, { endsInMs: -1000 })], reason: "certificate has expired" },
    { name: "that is a server's alone", certificates: [leafOf(root, { usages: ["server"] })], reason: "purpose" },
    { name: "without a certificate", certificates: [], reason: "cannot read the chain" },
  ])("refuses a client $name", ({ certificates, reason }) => {
    expect(verifyByRoot({ certificates, root: root.certificate, role: "client" })).toContain(reason);
  });
});
