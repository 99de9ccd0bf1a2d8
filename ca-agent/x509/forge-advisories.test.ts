import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { nest } from "../../mesh/identity/der-mutations-fixture.ts";
import { formatDer as writeDer, formatSequence as writeSequence } from "../../mesh/identity/der-writer.ts";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { verifyChain } from "../../mesh/identity/verify-chain.ts";
import { parseCertificateRequest } from "./certificate-request.ts";
import { parseDer } from "./der-values.ts";
import { formatPem } from "./pem.ts";
import { parseSignatureAlgorithm } from "./signature-algorithm.ts";

/** The table of node-forge's advisories in the folder's README: each is closed by version, or cannot be reached. */
const ROOT = join(import.meta.dirname, "../..");
const MODULES = [
  ...readdirSync(import.meta.dirname)
    .filter((name) => /^[a-z-]+\.ts$/.test(name))
    .map((name) => join("ca-agent/x509", name)),
  "proxy/tls/csr.ts",
];

/** What a new process has of node-forge once everything that uses it is imported. */
function inspectForge(): {
  readonly files: readonly string[];
  readonly util: readonly string[];
  readonly forge: readonly string[];
} {
  const script = `
    import { createRequire } from "node:module";
    for (const module of ${JSON.stringify(MODULES)}) await import("${ROOT}/" + module);
    const { cache } = createRequire("${ROOT}/package.json");
    const files = Object.keys(cache).filter((path) => path.includes("/node-forge/"));
    const forge = cache[files.find((path) => path.endsWith("/forge.js"))].exports;
    console.log(JSON.stringify({ files, util: Object.keys(forge.util), forge: Object.keys(forge) }));`;
  return JSON.parse(execFileSync(process.execPath, ["--input-type=module", "--eval", script], { encoding: "utf8" }));
}

const loaded = inspectForge();

describe("of node-forge", () => {
  it("only ASN.1 and its helpers are loaded: no RSA, Ed25519, big integers, X.509, PKCS#7, PKCS#12 or TLS", () => {
    // CVE-2022-24771, -24772, -24773, CVE-2026-33891, -33894, -33895, -33896; and of CVE-2025-12816 the part in PKCS#12.
    expect(loaded.files.map((path) => basename(path)).sort()).toEqual([
      "asn1.js",
      "baseN.js",
      "forge.js",
      "oids.js",
      "util.js",
    ]);
    expect([...loaded.forge].sort()).toEqual(["asn1", "oids", "options", "pki", "util"]);
  });

  it("what was removed because it polluted prototypes or misread URLs is absent", () => {
    // CVE-2020-7720 (util.setPath), CVE-2022-0122 (util.parseUrl), GHSA-5rrq-pxf6-6jx5 (forge.debug).
    for (const removed of ["setPath", "getPath", "deletePath", "parseUrl"]) expect(loaded.util).not.toContain(removed);
    expect(loaded.forge).not.toContain("debug");
  });

  it("the validator of schemas is never called, nor any other function than these", () => {
    // CVE-2025-12816: asn1.validate could be desynchronised.
    const used = MODULES.flatMap((path) => [...readFileSync(join(ROOT, path), "utf8").matchAll(/\basn1\.([a-z]\w*)/g)]);
    expect([...new Set(used.map(([, name]) => name))].sort()).toEqual(
      ["create", "dateToGeneralizedTime", "dateToUtcTime", "fromDer", "js", "oidToDer", "toDer"].sort(),
    );
  });
});

/** 1.2.840.113549.1.1.N, where N has these octets in base 128. */
function algorithmOid(...lastArc: readonly number[]): Buffer {
  return writeDer(0x06, Buffer.from([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, ...lastArc]));
}

describe("what reaches node-forge", () => {
  it.each([
    { name: "plus 2^32", arc: [0x90, 0x80, 0x80, 0x80, 0x0b] },
    { name: "plus 2^56", arc: [0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x0b] },
    { name: "plus 2^64", arc: [0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x0b] },
    { name: "after a padding octet", arc: [0x80, 0x0b] },
  ])("an algorithm whose last arc is that of RSA with SHA-256 $name is not taken for it", ({ arc }) => {
    // CVE-2025-66030: arcs were truncated to 32 bits.
    const read = (...octets: readonly number[]) =>
      parseSignatureAlgorithm(parseDer(writeSequence(algorithmOid(...octets), writeDer(0x05))));
    expect(read(0x0b)).toEqual({ hash: "sha256", keyType: "rsa" });
    let algorithm: unknown;
    try {
      algorithm = read(...arc);
    } catch (caught) {
      expect(caught).toBeInstanceOf(Error);
    }
    expect(algorithm).toBeUndefined();
  });

  it("values deeper than any certificate are refused, before and inside node-forge", () => {
    // CVE-2025-66031: unbounded recursion.
    const deep = nest(Buffer.alloc(0), 4000);
    expect(() => parseDer(deep)).toThrow("Max depth exceeded");
    expect(() => parseCertificateRequest(formatPem("CERTIFICATE REQUEST", deep))).toThrow(
      expect.objectContaining({ code: "csr_malformed" }),
    );
  });

  it("the content of a BIT STRING is not decoded, however deep or long it looks", () => {
    // Fixed in 1.4.1 to 1.4.3 without an advisory: the content was decoded without a limit of depth, at quadratic cost.
    const bits = writeDer(0x03, Buffer.from([0]), nest(Buffer.alloc(0), 4000));
    const value = parseDer(writeSequence(bits));
    expect(value.value).toEqual([expect.objectContaining({ constructed: false, composed: false })]);
  });
});

it("a certificate without basic constraints and key usage is no issuer", () => {
  // CVE-2026-33896, which node-forge's own chain verification had; ours is `verifyChain`.
  const root = mintRoot();
  const notAnIssuer = mintRoot({ commonName: "plain", issuer: root, ca: false });
  const dates = { notBefore: new Date("2024-01-01"), notAfter: new Date("2034-01-01") };
  const leaf = mintLeaf({ issuer: notAnIssuer, uriSans: ["spiffe://cluster.local/ns/a/sa/b"], ...dates });
  const input = {
    intermediates: [notAnIssuer.certificate],
    roots: [root.certificate],
    nowMs: Date.parse("2026-01-01"),
  };
  expect(verifyChain({ leaf: leaf.certificate, ...input })).toMatchObject({
    kind: "broken",
    reason: "not_an_authority",
  });
});
