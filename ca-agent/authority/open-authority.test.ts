import { execFile, execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { readSubjectAltNames } from "../../mesh/identity/x509-san.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { CaError } from "../ca-error.ts";
import { openAuthority } from "./open-authority.ts";

const IDENTITY = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/default");
const HOUR_MS = 3_600_000;
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-ca-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function open() {
  return openAuthority({
    directory: folder,
    trustDomain: parseTrustDomain("cluster.local"),
    clock: systemClock,
    log: new RecordingLogger(),
  });
}

/** A request created with openssl; the arguments choose key and names. */
function createCsr(...args: readonly string[]): string {
  const keyArgs = args.length === 0 ? ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] : args;
  const options = ["req", "-new", "-nodes", "-keyout", join(folder, "csr-key.pem"), "-subj", "/CN=admin", ...keyArgs];
  return execFileSync("openssl", options, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
}

function sign(csrPem: string, lifetimeMs = HOUR_MS) {
  return open().then((authority) => authority.signWorkload({ csrPem, identity: IDENTITY, lifetimeMs }));
}

describe("the root", () => {
  it("is created on first start, readable only by its owner, and kept", async () => {
    const [first] = (await open()).roots();
    const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name));
    const modes = files.filter((file) => statSync(file).isFile()).map((file) => statSync(file).mode & 0o777);
    expect(modes.length).toBeGreaterThan(1);
    expect(new Set(modes)).toEqual(new Set([0o600]));
    expect((await open()).roots()).toEqual([first]);
    const root = new X509Certificate(first ?? "");
    expect(root.ca).toBe(true);
    const years = (root.validToDate.getTime() - Date.now()) / (365 * 24 * HOUR_MS);
    expect(years).toBeGreaterThan(9.9);
  });

  it("is the same for several concurrent starts", async () => {
    const all = await Promise.all(Array.from({ length: 5 }, open));
    expect(new Set(all.map((authority) => authority.roots()[0])).size).toBe(1);
  });

  it("is the same for several concurrent processes", async () => {
    const script = `
      import { openAuthority } from "${import.meta.dirname}/open-authority.ts";
      import { systemClock } from "${import.meta.dirname}/../../mesh/runtime.ts";
      const log = { debug() {}, info() {}, warn() {}, error() {}, child: () => log };
      const options = { directory: process.argv[1], trustDomain: "cluster.local", clock: systemClock, log };
      console.log((await openAuthority(options)).roots()[0]);`;
    const run = promisify(execFile);
    const starts = Array.from({ length: 4 }, () =>
      run(process.execPath, ["--input-type=module", "--eval", script, join(folder, "ca")]),
    );
    const roots = (await Promise.all(starts)).map(({ stdout }) => stdout);
    expect(roots[0]).toContain("BEGIN CERTIFICATE");
    expect(new Set(roots).size).toBe(1);
    expect(readdirSync(join(folder, "ca"))).toEqual(["self-signed"]);
  });

  it("is not created in a directory that others may write to", async () => {
    chmodSync(folder, 0o770);
    await expect(open()).rejects.toThrow(`authority_permissions: ${folder} has mode 0770`);
    expect(readdirSync(folder)).toEqual([]);
  });

  const broken: readonly { name: string; breakIt: (self: string) => void }[] = [
    { name: "a directory that others may read", breakIt: (self) => chmodSync(self, 0o750) },
    { name: "a key that others may read", breakIt: (self) => chmodSync(join(self, "ca-key.pem"), 0o644) },
    { name: "a key without its certificate", breakIt: (self) => unlinkSync(join(self, "ca-cert.pem")) },
    { name: "a certificate without its key", breakIt: (self) => unlinkSync(join(self, "ca-key.pem")) },
    {
      name: "the key of another certificate",
      breakIt: (self) => writeFileSync(join(self, "ca-key.pem"), mintRoot().keyPem),
    },
    {
      name: "a file that is not a certificate",
      breakIt: (self) => writeFileSync(join(self, "ca-cert.pem"), "garbage"),
    },
    {
      name: "a root that has expired",
      breakIt: (self) => {
        const old = mintRoot({ notBefore: new Date("2019-01-01"), notAfter: new Date("2020-01-01") });
        writeFileSync(join(self, "ca-cert.pem"), old.pem);
        writeFileSync(join(self, "ca-key.pem"), old.keyPem);
      },
    },
    {
      name: "a certificate that is not a CA's",
      breakIt: (self) => {
        const leaf = mintRoot({ ca: false });
        writeFileSync(join(self, "ca-cert.pem"), leaf.pem);
        writeFileSync(join(self, "ca-key.pem"), leaf.keyPem);
      },
    },
  ];
  it.each(broken)("$name is refused with the file's name, and nothing is replaced", async ({ breakIt }) => {
    await open();
    const self = join(folder, "self-signed");
    breakIt(self);
    const before = readdirSync(self).map((name) => readFileSync(join(self, name), "utf8"));
    await expect(open()).rejects.toThrow(CaError);
    await expect(open()).rejects.toThrow(self);
    expect(readdirSync(self).map((name) => readFileSync(join(self, name), "utf8"))).toEqual(before);
  });
});

describe("a workload's certificate", () => {
  it("contains only the caller's identity, whatever the request contains", async () => {
    const csr = createCsr(
      ...["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
      ...["-addext", "subjectAltName=URI:spiffe://cluster.local/ns/kube-system/sa/admin,DNS:istiod.istio-system.svc"],
    );
    const [leaf = ""] = await sign(csr);
    const certificate = new X509Certificate(leaf);
    expect(readSubjectAltNames(certificate.raw)).toMatchObject({ uris: [IDENTITY], dnsNames: [], emails: [] });
    expect(certificate.subject ?? "").toBe("");
    expect(certificate.ca).toBe(false);
  });

  it.each([
    { name: "P-256", args: ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"] },
    { name: "RSA 2048", args: ["-newkey", "rsa:2048"] },
  ])(
    "for a $name key is accepted by openssl verify -x509_strict, and may encipher keys as Istio's",
    async ({ args }) => {
      const chain = await sign(createCsr(...args));
      const [leafFile, rootFile] = [join(folder, "leaf.pem"), join(folder, "root.pem")];
      writeFileSync(leafFile, chain[0] ?? "");
      const shown = execFileSync("openssl", ["x509", "-in", leafFile, "-noout", "-text"], { encoding: "utf8" });
      expect(shown).toMatch(/X509v3 Key Usage: critical\s+Digital Signature, Key Encipherment\n/);
      writeFileSync(rootFile, chain.at(-1) ?? "");
      for (const purpose of ["sslserver", "sslclient"]) {
        const verdict = execFileSync(
          "openssl",
          ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", rootFile, leafFile],
          { encoding: "utf8" },
        );
        expect(verdict).toContain("leaf.pem: OK");
      }
    },
  );

  it("is backdated by 62 minutes, has the requested lifetime and a unique serial number", async () => {
    const csr = createCsr();
    const authority = await open();
    const leaves = await Promise.all(
      Array.from({ length: 20 }, () =>
        authority.signWorkload({ csrPem: csr, identity: IDENTITY, lifetimeMs: HOUR_MS }),
      ),
    );
    const certificates = leaves.map(([leaf = ""]) => new X509Certificate(leaf));
    expect(new Set(certificates.map(({ serialNumber }) => serialNumber)).size).toBe(20);
    for (const { validFromDate, validToDate, serialNumber } of certificates) {
      expect(Math.abs(Date.now() - 62 * 60_000 - validFromDate.getTime())).toBeLessThan(60_000);
      expect(Math.abs(Date.now() + HOUR_MS - validToDate.getTime())).toBeLessThan(60_000);
      expect(serialNumber.length).toBeGreaterThan(24);
    }
  });

  it("does not outlive the authority", async () => {
    const [leaf = "", root = ""] = await sign(createCsr(), 50 * 365 * 24 * HOUR_MS);
    expect(new X509Certificate(leaf).validToDate <= new X509Certificate(root).validToDate).toBe(true);
  });
});

describe("requests", () => {
  const refused: readonly { name: string; make: () => string }[] = [
    { name: "with an RSA key of 1024 bits", make: () => createCsr("-newkey", "rsa:1024") },
    {
      name: "with a key on secp256k1",
      make: () => createCsr("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"),
    },
    { name: "with a key on P-224", make: () => createCsr("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp224r1") },
    { name: "with garbage", make: () => "garbage" },
    { name: "of one megabyte", make: () => createCsr() + "A".repeat(1 << 20) },
    { name: "with a certificate instead of a request", make: () => mintRoot().pem },
  ];
  it.each(refused)("$name are refused", async ({ make }) => {
    await expect(sign(make())).rejects.toThrow(CaError);
  });

  it("with a signature of another key are refused", async () => {
    const der = Buffer.from(createCsr().replaceAll(/-----[^-]+-----|\s/g, ""), "base64");
    const last = der.length - 1;
    der[last] = (der[last] ?? 0) ^ 1;
    const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
    await expect(sign(pem)).rejects.toThrow(/csr_(signature|malformed)/);
  });

  it("with random damage are either accepted or refused with a CaError", async () => {
    const der = Buffer.from(createCsr().replaceAll(/-----[^-]+-----|\s/g, ""), "base64");
    const authority = await open();
    await fc.assert(
      fc.asyncProperty(fc.nat(der.length - 1), fc.nat(255), async (position, value) => {
        const damaged = Buffer.from(der);
        damaged[position] = value;
        const csrPem = `-----BEGIN CERTIFICATE REQUEST-----\n${damaged.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
        const outcome = await authority.signWorkload({ csrPem, identity: IDENTITY, lifetimeMs: HOUR_MS }).then(
          () => "signed" as const,
          (error: unknown) => error,
        );
        expect(outcome === "signed" || outcome instanceof CaError).toBe(true);
      }),
      { numRuns: 150 },
    );
  });
});

describe("a server's certificate", () => {
  it("contains DNS names and no SPIFFE ID, so that it is never accepted as a workload's", async () => {
    const pair = (await open()).signServing({ dnsNames: ["istiod.istio-system.svc"], lifetimeMs: HOUR_MS });
    const names = readSubjectAltNames(new X509Certificate(pair.certificateChainPem).raw);
    expect(names).toMatchObject({ uris: [], dnsNames: ["istiod.istio-system.svc"] });
  });

  it("is not signed for an invalid name", async () => {
    const authority = await open();
    expect(() => authority.signServing({ dnsNames: ["a b"], lifetimeMs: HOUR_MS })).toThrow(CaError);
  });
});
