import { execFileSync } from "node:child_process";
import { generateKeyPairSync, type KeyObject, randomBytes, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { readCertificateParts } from "../../mesh/identity/certificate-parts.ts";
import { type MintedCertificate, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { type PodTag, readPodTag, tagOfPodUid } from "../../mesh/identity/pod-tag.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { readExtensions } from "../../mesh/identity/x509-extensions.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { createSerialNumber } from "../x509/certificate.ts";
import { formatPublicKey } from "../x509/public-key.ts";
import { createRequest } from "../x509/request-fixture.ts";
import { readSubjectName } from "../x509/subject-name.ts";
import { filesOf, type MintedAuthority } from "./authority-fixture.ts";
import { createLiveAuthority } from "./live-authority.ts";
import { parseTrustedMaterial } from "./trusted-material.ts";

const HOUR_MS = 3_600_000;
const NOW_MS = Date.parse("2026-06-01T12:00:00.700Z");
const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const rsaKey = (): KeyObject => generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
const ecKey = (namedCurve: string): KeyObject => generateKeyPairSync("ec", { namedCurve }).privateKey;
const KEYS = { "P-256": ecKey("P-256"), "P-384": ecKey("P-384"), RSA: rsaKey() } as const;

/** What an operator may plug in: the signing certificate with its intermediates, and the roots. */
function createShapes(): Readonly<Record<string, MintedAuthority>> {
  const root = mintRoot({ commonName: "EC root" });
  const rsaRoot = mintRoot({ commonName: "RSA root", key: rsaKey() });
  const p384Root = mintRoot({ commonName: "P-384 root", key: ecKey("P-384") });
  const intermediate = mintRoot({ commonName: "intermediate", issuer: root, pathLength: 0 });
  const upper = mintRoot({ commonName: "upper", issuer: rsaRoot, pathLength: 1 });
  const lower = mintRoot({ commonName: "lower", issuer: upper, pathLength: 0, key: rsaKey() });
  const ofP384 = mintRoot({ commonName: "of P-384", issuer: p384Root });
  return {
    "a P-256 root": { signer: root, roots: [root], intermediates: [] },
    "an RSA root": { signer: rsaRoot, roots: [rsaRoot], intermediates: [] },
    "a P-384 root": { signer: p384Root, roots: [p384Root], intermediates: [] },
    "an intermediate with path length 0": { signer: intermediate, roots: [root] },
    "two intermediates, the lower with RSA": { signer: lower, roots: [rsaRoot], intermediates: [lower, upper] },
    "an intermediate of a P-384 root, in a bundle of two roots": { signer: ofP384, roots: [root, p384Root] },
  };
}

const shapes = createShapes();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "entente-leaf-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Signing {
  readonly shape?: MintedAuthority;
  readonly key?: KeyObject;
  readonly lifetimeMs?: number;
  readonly nowMs?: number;
  readonly podTag?: PodTag;
}

const PLAIN: MintedAuthority = shapes["a P-256 root"] ?? { signer: mintRoot(), roots: [] };

async function sign({ shape = PLAIN, key = KEYS["P-256"], nowMs = NOW_MS, ...request }: Signing = {}) {
  const clock = new FakeClock(nowMs);
  const trust = { trustDomain: parseTrustDomain("cluster.local"), clock, randomBytes };
  const material = await parseTrustedMaterial(filesOf(shape), trust);
  const authority = createLiveAuthority(material, { clock, randomBytes, log: new RecordingLogger() });
  return await authority.signWorkload({ lifetimeMs: HOUR_MS, ...request, csrPem: createRequest({ key }), identity });
}

async function signLeaf(signing: Signing = {}): Promise<X509Certificate> {
  return new X509Certificate((await sign(signing))[0] ?? "");
}

function verifyStrictly(chain: readonly string[], shape: MintedAuthority, purpose: string): string {
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const roots = write("roots.pem", shape.roots.map(({ pem }: MintedCertificate) => pem).join(""));
  const between = write("between.pem", chain.slice(1, -1).join(""));
  const leaf = write("leaf.pem", chain[0] ?? "");
  const at = ["-attime", String(Math.floor(NOW_MS / 1000))];
  const untrusted = chain.length > 2 ? ["-untrusted", between] : [];
  const args = ["verify", "-x509_strict", ...at, "-purpose", purpose, "-CAfile", roots, ...untrusted, leaf];
  return execFileSync("openssl", args, { encoding: "utf8", stdio: "pipe" });
}

describe.each(Object.entries(shapes))("under %s", (_, shape) => {
  it.each(Object.entries(KEYS))(
    "the certificate of a %s key passes openssl verify -x509_strict as server and as client",
    async (_name, key) => {
      const chain = await sign({ shape, key });
      for (const purpose of ["sslserver", "sslclient"]) {
        expect(verifyStrictly(chain, shape, purpose)).toContain("leaf.pem: OK");
      }
      const { publicKeyInfo } = readCertificateParts(new X509Certificate(chain[0] ?? "").raw);
      expect(formatPublicKey(key).equals(publicKeyInfo)).toBe(true);
    },
  );
});

describe("a workload's certificate is Istio's leaf:", () => {
  it("X.509 version 3, with one signature algorithm inside and outside", async () => {
    const text = execFileSync("openssl", ["x509", "-noout", "-text"], { input: (await sign())[0], encoding: "utf8" });
    expect(text).toContain("Version: 3 (0x2)");
    expect(text.match(/Signature Algorithm: ecdsa-with-SHA256/g)).toHaveLength(2);
  });

  it("the issuer's name byte for byte, and no subject", async () => {
    const leaf = await signLeaf();
    expect(readSubjectName(leaf.raw)).toEqual(Buffer.from([0x30, 0]));
    expect(leaf.raw.includes(readSubjectName(PLAIN.signer.certificate.raw))).toBe(true);
    expect(leaf.issuer).toBe(PLAIN.signer.certificate.subject);
  });

  it.each([
    { name: "key usage: digital signature and key encipherment", oid: "2.5.29.15", critical: true, hex: "030205a0" },
    {
      name: "extended key usage: server, then client",
      oid: "2.5.29.37",
      critical: false,
      hex: "301406082b0601050507030106082b06010505070302",
    },
    { name: "basic constraints: not an authority", oid: "2.5.29.19", critical: true, hex: "3000" },
    {
      name: "the subject alternative name: the identity alone, critical because the subject is empty",
      oid: "2.5.29.17",
      critical: true,
      hex: `30${(identity.length + 2).toString(16)}86${identity.length.toString(16)}${Buffer.from(identity).toString("hex")}`,
    },
  ])("$name", async ({ oid, critical, hex }) => {
    const extension = readExtensions((await signLeaf()).raw).find((candidate) => candidate.oid === oid);
    expect(extension?.critical).toBe(critical);
    expect(Buffer.from(extension?.value ?? []).toString("hex")).toBe(hex);
  });

  it("the authority key identifier is the signer's own, and no extension is unexpected", async () => {
    const extensions = readExtensions((await signLeaf()).raw);
    const own = readExtensions(PLAIN.signer.certificate.raw).find(({ oid }) => oid === "2.5.29.14")?.value ?? [];
    const stated = extensions.find(({ oid }) => oid === "2.5.29.35")?.value ?? [];
    expect(Buffer.from(stated).subarray(4)).toEqual(Buffer.from(own).subarray(2));
    expect(extensions.map(({ oid }) => oid).sort()).toEqual(
      ["2.5.29.14", "2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.35", "2.5.29.37"].sort(),
    );
  });

  it.each([
    {
      name: "from 62 minutes ago for the lifetime, in whole seconds",
      lifetimeMs: HOUR_MS,
      until: "2026-06-01T13:00:00Z",
    },
    { name: "and never longer than the authority", lifetimeMs: 40 * 365 * 24 * HOUR_MS, until: "2045-01-01T00:00:00Z" },
  ])("valid $name", async ({ lifetimeMs, until }) => {
    const { validFromDate, validToDate } = await signLeaf({ lifetimeMs });
    expect(validFromDate).toEqual(new Date("2026-06-01T10:58:00Z"));
    expect(validToDate).toEqual(new Date(until));
  });

  it("a serial number of 20 octets with the tag of its pod, or a random one, and each another one", async () => {
    const podTag = tagOfPodUid("u1");
    const serials = await Promise.all(
      [{ podTag }, { podTag }, {}, {}].map(async (of) => (await signLeaf(of)).serialNumber),
    );
    expect(serials.map((serial) => readPodTag(serial) === podTag)).toEqual([true, true, false, false]);
    expect(serials.filter((serial) => readPodTag(serial) !== undefined)).toHaveLength(4);
    expect(new Set(serials).size).toBe(4);
  });

  it("of a server: a serial number of 126 random bits, positive, not zero, in 16 bytes", () => {
    const octets = fc.uint8Array({ minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(octets, fc.integer({ min: 2, max: 127 }), (random, bit) => {
        const serial = createSerialNumber(() => random);
        const other = Uint8Array.from(random);
        other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (0x80 >> (bit & 7));
        expect(serial).toHaveLength(16);
        expect((serial[0] ?? 0) >> 6).toBe(1);
        expect(createSerialNumber(() => other)).not.toEqual(serial);
      }),
    );
  });
});
