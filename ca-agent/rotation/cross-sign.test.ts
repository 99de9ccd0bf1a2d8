import { execFileSync } from "node:child_process";
import { generateKeyPairSync, randomBytes, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { MAX_CHAIN_CERTIFICATES } from "../../mesh/identity/chain-limits.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { verifyPeer } from "../../mesh/policy/authentication/verify-peer.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { createCsr } from "../authority/authority-fixture.ts";
import { createLiveAuthority } from "../authority/live-authority.ts";
import type { RootPair } from "../authority/self-signed-root.ts";
import { parseSigningMaterial, type SigningMaterial } from "../authority/signing-material.ts";
import { crossSignRoot } from "./cross-sign.ts";
import {
  HOUR_MS,
  INPUT,
  LIMITS,
  mintOwnRoot,
  NEW,
  NOW_MS,
  OLD,
  PUBLISHED,
  SIGNING,
  TRUST_DOMAIN,
} from "./rotation-fixture.ts";
import type { RotationState } from "./rotation-state.ts";
import { activateNext, publishNext, retireRoot } from "./rotation-steps.ts";
import { formatOwnAuthority } from "./storage/format-own-authority.ts";
import { readOwnAuthority } from "./storage/own-authority.ts";
import { takeStep } from "./take-step.ts";

const clock = new FakeClock(NOW_MS);
const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-cross-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function materialOf(state: RotationState): SigningMaterial {
  const texts = new Map(Object.entries(formatOwnAuthority(state)).filter(([, text]) => text !== ""));
  const files = readOwnAuthority({ from: "a test", locate: (name) => name, texts });
  if (files === undefined) throw new TypeError("there are no files");
  return parseSigningMaterial(files, NOW_MS);
}

/** What a workload receives, without the bundle: leaf first. */
async function issue(state: RotationState): Promise<readonly string[]> {
  const authority = createLiveAuthority(materialOf(state), { clock, log: new RecordingLogger(), randomBytes });
  const chain = await authority.signWorkload({ csrPem: createCsr(), identity, lifetimeMs: HOUR_MS });
  return chain.slice(0, -1);
}

function verify(chain: readonly string[], roots: readonly RootPair[]) {
  return verifyPeer({
    certificates: chain.map((pem) => new X509Certificate(pem)),
    sessionReused: false,
    roots: roots.map(({ certificatePem }) => new X509Certificate(certificatePem)),
    trustDomains: [TRUST_DOMAIN],
    nowMs: NOW_MS,
  });
}

/** `openssl verify` in its strictest mode, by a client that has one root. */
function verifyByOpenssl([leaf = "", ...rest]: readonly string[], root: RootPair, purpose: string): string {
  const path = (name: string): string => join(folder, name);
  writeFileSync(path("leaf.pem"), leaf);
  writeFileSync(path("between.pem"), rest.join(""));
  writeFileSync(path("root.pem"), root.certificatePem);
  const at = ["-attime", String(NOW_MS / 1000)];
  const files = [
    "-CAfile",
    path("root.pem"),
    ...(rest.length > 0 ? ["-untrusted", path("between.pem")] : []),
    path("leaf.pem"),
  ];
  const args = ["verify", "-x509_strict", "-purpose", purpose, ...at, ...files];
  return execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" });
}

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const istios = mintRoot({ commonName: "Istio's", key: rsa });
const istiosRoot: RootPair = { certificatePem: istios.pem, keyPem: istios.keyPem };

describe.each([
  { name: "our own root", old: OLD },
  { name: "Istio's RSA root with another name", old: istiosRoot },
])("a leaf of the new root, while $name is the previous one", ({ old }) => {
  const crossSignedPem = crossSignRoot({ root: NEW, issuer: old, nowMs: NOW_MS, randomBytes });
  const state = { ...SIGNING, previous: old, crossSignedPem };

  it.each([
    { name: "only the old root", roots: [old] },
    { name: "only the new root", roots: [NEW] },
    { name: "both roots", roots: [old, NEW] },
    { name: "both roots in the other order", roots: [NEW, old] },
  ])("is trusted by a sidecar that knows $name", async ({ roots }) => {
    const chain = await issue(state);
    expect(verify(chain, roots)).toMatchObject({ kind: "trusted", identity });
    expect(chain.length).toBeLessThanOrEqual(MAX_CHAIN_CERTIFICATES);
  });

  it.each([
    { name: "only the old root", root: old },
    { name: "only the new root", root: NEW },
  ])("is accepted by openssl verify -x509_strict with $name, as server and as client", async ({ root }) => {
    const chain = await issue(state);
    for (const purpose of ["sslserver", "sslclient"])
      expect(verifyByOpenssl(chain, root, purpose)).toContain("leaf.pem: OK");
  });

  it("is not trusted by a sidecar that knows only the old root, without the cross-signed certificate", async () => {
    const [leaf = ""] = await issue(state);
    expect(verify([leaf], [old])).toMatchObject({ kind: "refused", reason: "unknown_root" });
  });

  it("does not end earlier because the old root does", () => {
    const ending = mintRoot({ notAfter: new Date(NOW_MS + HOUR_MS) });
    const previous = { certificatePem: ending.pem, keyPem: ending.keyPem };
    const cross = crossSignRoot({ root: NEW, issuer: previous, nowMs: NOW_MS, randomBytes });
    expect(new X509Certificate(cross).validToDate.getTime()).toBe(NOW_MS + HOUR_MS);
    const material = materialOf({ ...SIGNING, previous, crossSignedPem: cross });
    expect(material.notAfterMs).toBe(new X509Certificate(NEW.certificatePem).validToDate.getTime());
  });
});

describe("the certificates that are sent with a leaf", () => {
  it("are none before and after a rotation", async () => {
    expect(await issue(PUBLISHED)).toHaveLength(1);
    expect(await issue(SIGNING)).toHaveLength(2);
    expect(await issue(retireRoot(SIGNING, INPUT))).toHaveLength(1);
  });

  it("are no more in the second rotation than in the first", async () => {
    const third = mintOwnRoot();
    const again = publishNext(retireRoot(SIGNING, INPUT), { next: third, cause: "age" }, INPUT);
    const crossSignedPem = crossSignRoot({ root: third, issuer: NEW, nowMs: NOW_MS, randomBytes });
    expect(await issue(activateNext(again, { crossSignedPem }, INPUT))).toHaveLength(2);
  });

  it("have no certificate by a root that is not in the bundle", () => {
    const stranger = mintOwnRoot();
    const crossSignedPem = crossSignRoot({ root: NEW, issuer: stranger, nowMs: NOW_MS, randomBytes });
    expect(materialOf({ ...SIGNING, crossSignedPem }).intermediates).toEqual([]);
  });

  it("have no other self-signed certificate of the same key", () => {
    const reissued = mintRoot({ commonName: "same" });
    const longer = mintRoot({ commonName: "same", key: reissued.key, notAfter: new Date("2044-01-01") });
    const texts = new Map([
      ...[["ca-cert.pem", reissued.pem] as const, ["ca-key.pem", reissued.keyPem] as const],
      ...[["root-cert.pem", reissued.pem] as const, ["cert-chain.pem", longer.pem] as const],
    ]);
    const files = readOwnAuthority({ from: "a test", locate: (name) => name, texts });
    expect(files && parseSigningMaterial(files, NOW_MS).intermediates).toEqual([]);
  });

  it("are an operator's too: an intermediate, and its root as the old root has certified it", () => {
    const old = mintRoot({ commonName: "company" });
    const root = mintRoot({ commonName: "company 2" });
    const cross = mintRoot({ commonName: "company 2", key: root.key, issuer: old });
    const signer = mintRoot({ commonName: "mesh", issuer: root });
    const texts = new Map([
      ...[["ca-cert.pem", signer.pem] as const, ["ca-key.pem", signer.keyPem] as const],
      ...[["root-cert.pem", root.pem + old.pem] as const, ["cert-chain.pem", signer.pem + cross.pem] as const],
    ]);
    const files = readOwnAuthority({ from: "a test", locate: (name) => name, texts });
    expect(files && parseSigningMaterial(files, NOW_MS).intermediates).toEqual([signer.pem, cross.pem]);
  });
});

it("a root that may not certify another authority is replaced without: the check shows that nothing would verify", async () => {
  const constrained = mintRoot({ pathLength: 0 });
  const current = { certificatePem: constrained.pem, keyPem: constrained.keyPem };
  const deps = { trustDomain: TRUST_DOMAIN, clock, randomBytes, limits: LIMITS, phaseMs: 0, request: undefined };
  const signing = await takeStep({ ...PUBLISHED, current }, { kind: "step", to: "signing" }, deps);
  expect(signing).toMatchObject({ kind: "signing", crossSignedPem: undefined });
});
