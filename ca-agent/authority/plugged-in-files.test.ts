import { execFileSync } from "node:child_process";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { formatOid, formatSequence, INVALID_TIME } from "../../mesh/identity/der-writer.ts";
import { type MintedCertificate, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import type { Authority } from "./authority.ts";
import { openAuthority } from "./open-authority.ts";

const HOUR_MS = 3_600_000;
const IDENTITY = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/default");
const root = mintRoot({ commonName: "company" });
const signer = mintRoot({ commonName: "mesh", issuer: root, pathLength: 0 });
let folder: string;
let clock: FakeClock;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-cacerts-"));
  clock = new FakeClock(Date.now());
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

type FileName = "ca-cert.pem" | "ca-key.pem" | "root-cert.pem" | "cert-chain.pem";

/** Istio's four files with a test's changes; `undefined` leaves one out. */
async function open(changes: Partial<Record<FileName, string | undefined>> = {}): Promise<Authority> {
  const files = {
    "ca-cert.pem": signer.pem,
    "ca-key.pem": signer.keyPem,
    "root-cert.pem": root.pem,
    "cert-chain.pem": signer.pem + root.pem,
    ...changes,
  };
  for (const [name, text] of Object.entries(files)) {
    if (text !== undefined) writeFileSync(join(folder, name), text, { mode: 0o600 });
  }
  return await openFolder();
}

async function openFolder(): Promise<Authority> {
  const log = new RecordingLogger();
  return await openAuthority({ directory: folder, trustDomain: parseTrustDomain("cluster.local"), clock, log });
}

async function sign(authority: Authority): Promise<readonly string[]> {
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null"];
  const csrPem = execFileSync("openssl", ["req", "-new", ...key, "-subj", "/"], { encoding: "utf8", stdio: "pipe" });
  return await authority.signWorkload({ csrPem, identity: IDENTITY, lifetimeMs: HOUR_MS });
}

/** The verdict of `openssl verify` in its strictest mode on the leaf with the rest of the chain. */
function verifyStrictly([leaf = "", ...rest]: readonly string[]): string {
  const path = (name: string): string => join(folder, name);
  writeFileSync(path("leaf"), leaf);
  writeFileSync(path("between"), rest.slice(0, -1).join(""));
  writeFileSync(path("roots"), rest.at(-1) ?? "");
  const files = ["-CAfile", path("roots"), ...(rest.length > 1 ? ["-untrusted", path("between")] : []), path("leaf")];
  return execFileSync("openssl", ["verify", "-x509_strict", ...files], { encoding: "utf8" });
}

function fingerprints(pems: readonly string[]): readonly string[] {
  return pems.map((pem) => new X509Certificate(pem).fingerprint256);
}

describe("plugged-in files", () => {
  it("sign, with the intermediates in the chain and the root last", async () => {
    const chain = await sign(await open());
    expect(fingerprints(chain.slice(1))).toEqual(fingerprints([signer.pem, root.pem]));
    expect(verifyStrictly(chain)).toContain("OK");
    expect(existsSync(join(folder, "self-signed"))).toBe(false);
  });

  it("with several intermediates return them in order, whatever the file's order", async () => {
    const upper = mintRoot({ commonName: "upper", issuer: root });
    const lower = mintRoot({ commonName: "lower", issuer: upper });
    const files = { "ca-cert.pem": lower.pem, "ca-key.pem": lower.keyPem, "cert-chain.pem": root.pem + upper.pem };
    const chain = await sign(await open(files));
    expect(fingerprints(chain.slice(1))).toEqual(fingerprints([lower.pem, upper.pem, root.pem]));
    expect(verifyStrictly(chain)).toContain("OK");
  });

  it.each([
    { name: "RSA", key: () => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey },
    { name: "P-384", key: () => generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey },
  ])("with a key of $name sign", async ({ key }) => {
    const other = mintRoot({ commonName: "other", issuer: root, key: key() });
    const keyPem = other.key.export({ type: other.key.asymmetricKeyType === "rsa" ? "pkcs1" : "sec1", format: "pem" });
    const files = { "ca-cert.pem": other.pem, "ca-key.pem": keyPem.toString(), "cert-chain.pem": other.pem };
    expect(verifyStrictly(await sign(await open(files)))).toContain("OK");
  });

  it("of a self-signed root need only certificate and key", async () => {
    const pair = { "ca-cert.pem": root.pem, "ca-key.pem": root.keyPem };
    const chain = await sign(await open({ ...pair, "root-cert.pem": undefined, "cert-chain.pem": undefined }));
    expect(chain).toHaveLength(2);
    expect(verifyStrictly(chain)).toContain("OK");
  });

  it("with two roots return both, in one bundle at the end", async () => {
    const next = mintRoot({ commonName: "next" });
    const authority = await open({ "root-cert.pem": `# old\n${root.pem}\n# new\n${next.pem}` });
    expect(fingerprints(authority.roots())).toEqual(fingerprints([root.pem, next.pem]));
    const chain = await sign(authority);
    expect(chain).toHaveLength(3);
    expect(chain.at(-1)?.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  });

  it("that expire soon limit the lifetime of leaves, and sign nothing once expired", async () => {
    const notAfter = new Date(Math.floor(clock.now() / 1000) * 1000 + HOUR_MS / 2);
    const brief = mintRoot({ commonName: "brief", issuer: root, notAfter });
    const authority = await open({ "ca-cert.pem": brief.pem, "ca-key.pem": brief.keyPem, "cert-chain.pem": brief.pem });
    const [leaf = ""] = await sign(authority);
    expect(new X509Certificate(leaf).validToDate).toEqual(notAfter);
    expect(authority.expiry()).toEqual({
      chainNotAfterMs: notAfter.getTime(),
      rootNotAfterMs: root.certificate.validToDate.getTime(),
    });
    clock.jump(HOUR_MS);
    await expect(sign(authority)).rejects.toThrow(`authority_expired: the authority's certificate expired`);
  });

  it("of a mounted secret are accepted: an open directory and a group-readable key", async () => {
    await open();
    chmodSync(folder, 0o1777);
    chmodSync(join(folder, "ca-key.pem"), 0o440);
    await expect(openFolder()).resolves.toBeDefined();
  });
});

describe("plugged-in files are refused", () => {
  const foreign = mintRoot({ commonName: "foreign" });
  const extension = (oid: string, critical: boolean) => ({ oid, critical, der: Buffer.from("3000", "hex") });
  const signWith = (minted: MintedCertificate) => ({
    "ca-cert.pem": minted.pem,
    "ca-key.pem": minted.keyPem,
    "cert-chain.pem": minted.pem,
  });
  const usagesOf = (...oids: readonly string[]) => ({
    ...{ oid: "2.5.29.37", critical: false },
    der: formatSequence(...oids.map(formatOid)),
  });
  const signing = mintRoot({ commonName: "signing of code", extensions: [usagesOf("1.3.6.1.5.5.7.3.3")] });
  const signerOf = (issuer: MintedCertificate) => mintRoot({ commonName: "mesh", issuer });
  const refused: readonly {
    name: string;
    changes: Partial<Record<FileName, string | undefined>>;
    expected: string;
  }[] = [
    { name: "without the key", changes: { "ca-key.pem": undefined }, expected: "ca-key.pem is missing" },
    { name: "without the certificate", changes: { "ca-cert.pem": undefined }, expected: "ca-cert.pem is missing" },
    {
      name: "without their root",
      changes: { "root-cert.pem": undefined },
      expected: "root-cert.pem contains its root",
    },
    { name: "with another root", changes: { "root-cert.pem": foreign.pem }, expected: "does not lead to its root" },
    { name: "with another key", changes: { "ca-key.pem": foreign.keyPem }, expected: "ca-key.pem is not the key of" },
    { name: "with an invalid key", changes: { "ca-key.pem": "garbage" }, expected: "contains no readable private key" },
    { name: "with an empty certificate", changes: { "ca-cert.pem": "" }, expected: "contains no PEM certificate" },
    {
      name: "with a damaged certificate",
      changes: { "ca-cert.pem": signer.pem.replace(/[A-Za-z]{8}\n/, "AAAAAAAA\n") },
      expected: "ca-cert.pem",
    },
    {
      name: "with a leaf instead of a root",
      changes: { "root-cert.pem": root.pem + mintRoot({ ca: false }).pem },
      expected: "which is not a CA certificate",
    },
    {
      name: "with a root whose dates are none",
      changes: { "root-cert.pem": root.pem + mintRoot({ notAfter: INVALID_TIME }).pem },
      expected: "whose dates cannot be read",
    },
    {
      name: "with a bundle of roots that is half written",
      changes: { "root-cert.pem": root.pem + foreign.pem.slice(0, 200) },
      expected: "root-cert.pem contains an unreadable certificate",
    },
    {
      name: "when the signer has expired",
      changes: signWith(mintRoot({ commonName: "old", issuer: root, notAfter: new Date("2021-01-01") })),
      expected: "has expired",
    },
    {
      name: "when the signer's issuer allows no intermediates below it",
      changes: { ...signWith(mintRoot({ commonName: "deep", issuer: signer })), "cert-chain.pem": signer.pem },
      expected: "intermediates below it",
    },
    {
      name: "with name constraints, which no sidecar checks",
      changes: signWith(mintRoot({ commonName: "narrow", issuer: root, extensions: [extension("2.5.29.30", true)] })),
      expected: "no sidecar would trust certificates signed by",
    },
    ...(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "2.5.29.37.0"] as const).map((usage) => ({
      name: `when the signer may issue for the usage ${usage} alone`,
      changes: signWith(mintRoot({ commonName: "narrow", issuer: root, extensions: [usagesOf(usage)] })),
      expected: "does not allow TLS servers and TLS clients",
    })),
    {
      name: "when the root may issue for no use in TLS",
      changes: { ...signWith(signerOf(signing)), "root-cert.pem": signing.pem },
      expected: "allows neither TLS servers nor TLS clients",
    },
    {
      name: "with a key that is too small",
      changes: signWith(
        mintRoot({
          commonName: "small",
          issuer: root,
          key: generateKeyPairSync("rsa", { modulusLength: 1024 }).privateKey,
        }),
      ),
      expected: "an RSA key of 1024 bits",
    },
  ];
  it.each(refused)("$name", async ({ changes, expected }) => {
    const error = await open(changes).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ name: "CaError", message: expect.stringContaining(expected) });
    expect(error).toMatchObject({ message: expect.stringContaining(folder) });
  });

  it.each([
    { name: "when all users may read the key", path: "ca-key.pem", mode: 0o644 },
    { name: "when a group may write the key", path: "ca-key.pem", mode: 0o660 },
    { name: "when others may replace them", path: ".", mode: 0o777 },
  ])("$name", async ({ path, mode }) => {
    await open();
    chmodSync(join(folder, path), mode);
    await expect(openFolder()).rejects.toThrow("authority_permissions");
  });
});
