import { execFileSync } from "node:child_process";
import { randomBytes, X509Certificate } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock as clock } from "../../mesh/runtime.ts";
import { ISTIO_FORM, selectAuthorityFiles } from "./authority-files.ts";
import { createCsr } from "./authority-fixture.ts";
import { createLiveAuthority, type LiveAuthority } from "./live-authority.ts";
import { parseTrustedMaterial } from "./trusted-material.ts";

/**
 * One `cacerts` for Istio and Entente, made by openssl with the settings of Istio's own scripts: RSA, an intermediate with
 * a path length of 0 and the names of istiod, and workloads' certificates as Istio signs them.
 */
const trustDomain = parseTrustDomain("cluster.local");
const OURS = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const THEIRS = "spiffe://cluster.local/ns/ns2/sa/world";
let folder: string;
let authority: LiveAuthority;
let theirs: string;

const path = (name: string): string => join(folder, name);
const read = (name: string): string => readFileSync(path(name), "utf8");

function openssl(...args: readonly string[]): string {
  return execFileSync("openssl", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

/** Signs a new key's request with the extensions of a configuration. */
function sign(name: string, { issuer, bits, extensions }: { issuer: string; bits: number; extensions: string }): void {
  writeFileSync(path(`${name}.conf`), extensions);
  openssl(
    "req",
    "-new",
    "-newkey",
    `rsa:${bits}`,
    "-nodes",
    "-subj",
    "/O=Istio/",
    ...["-keyout", path(`${name}.key`), "-out", path(`${name}.csr`)],
  );
  const from = [
    "-CA",
    path(`${issuer}.pem`),
    "-CAkey",
    path(`${issuer}.key`),
    "-CAcreateserial",
    "-days",
    "30",
    "-sha256",
  ];
  openssl(
    "x509",
    "-req",
    ...from,
    "-in",
    path(`${name}.csr`),
    "-out",
    path(`${name}.pem`),
    "-extfile",
    path(`${name}.conf`),
  );
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "entente-istio-"));
  const root = ["-addext", "keyUsage=critical,digitalSignature,nonRepudiation,keyEncipherment,keyCertSign"];
  const key = ["-newkey", "rsa:4096", "-nodes", "-keyout", path("root.key"), "-out", path("root.pem")];
  openssl("req", "-x509", "-sha256", "-days", "3650", "-subj", "/O=Istio/CN=Root CA", ...key, ...root);
  sign("ca", {
    issuer: "root",
    bits: 4096,
    extensions: `
subjectKeyIdentifier = hash
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, digitalSignature, nonRepudiation, keyEncipherment, keyCertSign
subjectAltName = DNS:istiod.istio-system.svc`,
  });
  sign("workload", {
    issuer: "ca",
    bits: 2048,
    extensions: `
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth, clientAuth
basicConstraints = critical, CA:FALSE
authorityKeyIdentifier = keyid
subjectAltName = critical, URI:${THEIRS}`,
  });
  theirs = read("workload.pem");
  const texts = new Map([
    [ISTIO_FORM.certificate, read("ca.pem")],
    [ISTIO_FORM.key, read("ca.key")],
    [ISTIO_FORM.roots, read("root.pem")],
    [ISTIO_FORM.chain, read("ca.pem") + read("root.pem")],
  ]);
  const files = selectAuthorityFiles({ from: "cacerts", locate: (name) => name, texts });
  if (files === undefined) throw new TypeError("there are no files");
  const material = await parseTrustedMaterial(files, { trustDomain, clock, randomBytes });
  authority = createLiveAuthority(material, { clock, randomBytes, log: new RecordingLogger() });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("over one cacerts", () => {
  it("a workload of Istio is trusted by ours, as itself", () => {
    const verdict = verifyPeer({
      certificates: [theirs, read("ca.pem")].map((pem) => new X509Certificate(pem)),
      sessionReused: false,
      roots: authority.roots().map((pem) => new X509Certificate(pem)),
      trustDomains: [trustDomain],
      nowMs: clock.now(),
    });
    expect(verdict).toMatchObject({ kind: "trusted", identity: THEIRS });
  });

  it("a workload of ours is trusted by Istio's roots, as server and as client", async () => {
    const [leaf = "", ...between] = await authority.signWorkload({
      csrPem: createCsr(),
      identity: OURS,
      lifetimeMs: 3_600_000,
    });
    writeFileSync(path("ours.pem"), leaf);
    writeFileSync(path("between.pem"), between.slice(0, -1).join(""));
    for (const purpose of ["sslserver", "sslclient"]) {
      const files = ["-CAfile", path("root.pem"), "-untrusted", path("between.pem"), path("ours.pem")];
      expect(openssl("verify", "-x509_strict", "-purpose", purpose, ...files)).toContain("OK");
    }
    expect(openssl("x509", "-in", path("ours.pem"), "-noout", "-ext", "subjectAltName")).toContain(`URI:${OURS}`);
    // Istio's agents take the last one as the root, and refuse a response of one certificate.
    expect(new X509Certificate(between.at(-1) ?? "").fingerprint256).toBe(
      new X509Certificate(read("root.pem")).fingerprint256,
    );
  });

  it("the control plane's certificate has the name that Istio's sidecars call", () => {
    const pair = authority.signServing({ dnsNames: ["istiod.istio-system.svc"], lifetimeMs: 3_600_000 });
    writeFileSync(path("serving.pem"), pair.certificateChainPem);
    const files = ["-CAfile", path("root.pem"), "-untrusted", path("serving.pem"), path("serving.pem")];
    expect(openssl("verify", "-x509_strict", "-verify_hostname", "istiod.istio-system.svc", ...files)).toContain("OK");
  });
});
