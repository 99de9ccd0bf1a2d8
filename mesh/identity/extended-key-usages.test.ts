import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { formatOid, formatSequence } from "./der-writer.ts";
import { mintLeaf, mintRoot } from "./mint-certificate-fixture.ts";
import { verifyChain } from "./verify-chain.ts";
import { EXTENSION_OID } from "./x509-extensions.ts";

const NOW = Date.now();
const [SERVER, CLIENT, CODE, ANY] = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.3", "2.5.29.37.0"];

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-usages-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Whether OpenSSL accepts the chain for at least one side of a handshake. */
function isAcceptedByOpenssl(pems: {
  readonly leaf: string;
  readonly between: string;
  readonly root: string;
}): boolean {
  for (const [name, pem] of Object.entries(pems)) writeFileSync(join(folder, name), pem);
  const files = ["-CAfile", join(folder, "root"), "-untrusted", join(folder, "between"), join(folder, "leaf")];
  return ["sslserver", "sslclient"].some((purpose) => {
    try {
      execFileSync("openssl", ["verify", "-purpose", purpose, ...files], { stdio: "pipe" });
      return true;
    } catch {
      return false;
    }
  });
}

it.each([
  { usages: [SERVER, CLIENT], isUsable: true },
  { usages: [CODE, SERVER], isUsable: true },
  { usages: [CLIENT], isUsable: true },
  { usages: [CODE], isUsable: false },
  { usages: [ANY], isUsable: false },
])("an authority with the extended key usages $usages: our verdict is OpenSSL's", ({ usages, isUsable }) => {
  const extensions = [
    { oid: EXTENSION_OID.extendedKeyUsage, critical: false, der: formatSequence(...usages.map(String).map(formatOid)) },
  ];
  const [wide, narrow] = [mintRoot({ commonName: "wide" }), mintRoot({ commonName: "narrow", extensions })];
  const chains = [
    { root: narrow, between: mintRoot({ commonName: "between", issuer: narrow }) },
    { root: wide, between: mintRoot({ commonName: "between", issuer: wide, extensions }) },
  ];
  for (const { root, between } of chains) {
    const validity = { notBefore: new Date(NOW - 60_000), notAfter: new Date(NOW + 3_600_000) };
    const leaf = mintLeaf({ issuer: between, uriSans: ["spiffe://west.example/ns/a/sa/b"], ...validity });
    const verdict = verifyChain({
      ...{ leaf: leaf.certificate, intermediates: [between.certificate], roots: [root.certificate], nowMs: NOW },
    });
    expect(isAcceptedByOpenssl({ leaf: leaf.pem, between: between.pem, root: root.pem })).toBe(isUsable);
    expect(verdict).toMatchObject(
      isUsable
        ? { kind: "chained" }
        : { reason: "unsupported_constraint", message: expect.stringContaining("neither TLS servers nor TLS clients") },
    );
  }
});
