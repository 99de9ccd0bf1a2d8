import { once } from "node:events";
import { createServer } from "node:net";
import { type ConnectionOptions, connect, createSecureContext, TLSSocket } from "node:tls";
import { describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { type MintedCertificate, mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { indexRevocations } from "../../mesh/policy/authentication/revocations.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { createSecureContextSource, type SecureMaterial, type Svid } from "./secure-context-source.ts";
import { parseTrustAnchors, type TrustAnchors } from "./trust-anchors.ts";

const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/hello");
const trustDomains = [parseTrustDomain("cluster.local")];
const ROOT = mintRoot();

function svidOf(issuer: MintedCertificate, notAfterMs = Date.now() + 3_600_000): Svid {
  const [notBefore, notAfter] = [new Date(Date.now() - 60_000), new Date(notAfterMs)];
  const leaf = mintLeaf({ issuer, uriSans: [identity], notBefore, notAfter });
  return { identity, certificates: [leaf.certificate], privateKeyPem: leaf.keyPem, notAfterMs };
}

function trustIn(...roots: readonly MintedCertificate[]): TrustAnchors {
  return { roots: roots.map(({ certificate }) => certificate), trustDomains };
}

describe("createSecureContextSource", () => {
  it("has nothing before the first certificate, and nothing after its expiry", () => {
    const clock = new FakeClock(Date.now());
    const source = createSecureContextSource({ trust: trustIn(ROOT), clock });
    expect(source.current()).toBeUndefined();
    expect(source.contextTrusting(ROOT.pem)).toBeUndefined();
    source.setSvid(svidOf(ROOT, clock.now() + 1000));
    expect(source.current()?.identity).toBe(identity);
    clock.jump(1001);
    expect(source.current()).toBeUndefined();
    expect(source.contextTrusting(ROOT.pem)).toBeUndefined();
  });

  it("makes new material only for each change of certificate or bundle", () => {
    const other = mintRoot({ commonName: "other" });
    const source = createSecureContextSource({ trust: trustIn(ROOT), clock: systemClock });
    const heard: SecureMaterial[] = [];
    const stop = source.subscribe((material) => heard.push(material));
    source.setTrust(trustIn(ROOT, other));
    expect(heard).toEqual([]);
    source.setSvid(svidOf(ROOT));
    source.setTrust(trustIn(ROOT, other));
    source.setTrust(trustIn(other));
    source.setSvid(svidOf(ROOT));
    stop();
    source.setSvid(svidOf(ROOT));
    expect(heard.map(({ generation, trust }) => [generation, trust.roots.length])).toEqual([
      [1, 2],
      [2, 1],
      [3, 1],
    ]);
    expect(heard[0]?.context).not.toBe(heard[1]?.context);
  });

  it("keeps context and generation when only revocations or the signing root change", () => {
    const source = createSecureContextSource({ trust: trustIn(ROOT), clock: systemClock });
    source.setSvid(svidOf(ROOT));
    const before = source.current();
    const heard: SecureMaterial[] = [];
    source.subscribe((material) => heard.push(material));
    const revocations = () => indexRevocations({ certificates: [{ serialNumber: "A" }], identities: [identity] });
    source.setTrust({ ...trustIn(ROOT), revocations: revocations() });
    source.setTrust({ ...trustIn(ROOT), revocations: revocations() });
    source.setTrust({ ...trustIn(ROOT), revocations: revocations(), signingRoot: ROOT.certificate });
    source.setTrust(trustIn(ROOT));
    expect(heard.map(({ trust }) => [trust.revocations?.size, trust.signingRoot === undefined])).toEqual([
      [2, true],
      [2, false],
      [undefined, true],
    ]);
    for (const { generation, context, trust } of heard) {
      expect([generation, context, trust.roots]).toEqual([before?.generation, before?.context, before?.trust.roots]);
      expect(trust.roots).toBe(before?.trust.roots);
    }
    expect(source.trust()).toBe(source.current()?.trust);
  });

  it("knows what is revoked before there is a certificate, and after its expiry", () => {
    const clock = new FakeClock(Date.now());
    const source = createSecureContextSource({ trust: trustIn(ROOT), clock });
    const revocations = indexRevocations({ certificates: [], identities: [identity] });
    source.setTrust({ ...trustIn(ROOT), revocations });
    expect(source.trust().revocations?.size).toBe(1);
    source.setSvid(svidOf(ROOT, clock.now() + 1000));
    expect(source.current()?.trust.revocations?.size).toBe(1);
    clock.jump(1001);
    source.setTrust(trustIn(ROOT));
    expect([source.current(), source.trust().revocations]).toEqual([undefined, undefined]);
  });

  it("keeps the old material when a key does not fit its certificate", () => {
    const source = createSecureContextSource({ trust: trustIn(ROOT), clock: systemClock });
    source.setSvid(svidOf(ROOT));
    const before = source.current();
    expect(() => source.setSvid({ ...svidOf(ROOT), privateKeyPem: svidOf(ROOT).privateKeyPem })).toThrow(/mismatch/);
    expect(source.current()).toBe(before);
  });
});

describe("the context's handshakes", () => {
  interface Shake {
    readonly protocol: string | null;
    readonly cipher: string;
    readonly group: unknown;
    readonly resumed: boolean;
    readonly session: Buffer | undefined;
  }

  /** The second of two connections between the same workloads, which offers to resume the first one's session. */
  async function shake(options: ConnectionOptions = {}): Promise<Shake> {
    const source = createSecureContextSource({ trust: trustIn(ROOT), clock: systemClock });
    source.setSvid(svidOf(ROOT));
    const context = source.current()?.context;
    if (context === undefined) throw new Error("no context");
    const server = createServer((socket) => {
      const secured = new TLSSocket(socket, { isServer: true, secureContext: context, requestCert: true });
      secured.on("error", () => undefined);
      secured.end("x");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    const target = { host: "127.0.0.1", port, secureContext: context, ...options };
    try {
      const { session } = await connectOnce(target);
      return await connectOnce({ ...target, ...(session === undefined ? {} : { session }) });
    } finally {
      server.close();
    }
  }

  async function connectOnce(options: ConnectionOptions): Promise<Shake> {
    const socket = connect({ rejectUnauthorized: false, ...options });
    let session: Buffer | undefined;
    socket.on("session", (offered: Buffer) => {
      session = offered;
    });
    await once(socket, "secureConnect");
    const group: unknown = Reflect.get(socket.getEphemeralKeyInfo() ?? {}, "name");
    const [protocol, cipher, resumed] = [socket.getProtocol(), socket.getCipher().name, socket.isSessionReused()];
    await once(socket.resume(), "close");
    return { protocol, cipher, group, resumed, session };
  }

  it("are TLS 1.3 with the hybrid post-quantum group, and never resume a session", async () => {
    expect(await shake()).toMatchObject({
      protocol: "TLSv1.3",
      cipher: "TLS_AES_256_GCM_SHA384",
      group: "X25519MLKEM768",
      resumed: false,
    });
  });

  it.each([
    { name: "TLS 1.2", options: { maxVersion: "TLSv1.2" } as const, want: { protocol: "TLSv1.2", resumed: false } },
    { name: "X25519 alone", options: { ecdhCurve: "X25519" }, want: { group: "X25519" } },
    { name: "P-256 alone", options: { ecdhCurve: "P-256" }, want: { group: "prime256v1" } },
  ])("serve a client that supports $name", async ({ options, want }) => {
    expect(await shake({ secureContext: createSecureContext(options) })).toMatchObject(want);
  });

  it("are refused to a client of TLS 1.1", async () => {
    const old = createSecureContext({ minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" });
    await expect(shake({ secureContext: old })).rejects.toThrow(/disconnected|protocol version/i);
  });
});

describe("parseTrustAnchors", () => {
  const leaf = svidOf(ROOT).certificates.join("");

  it.each([
    { name: "no roots", roots: [], said: /no root certificate/ },
    { name: "text instead of a root", roots: [ROOT.pem, "soon"], said: /root 2 of the trust bundle holds no PEM/ },
    { name: "a workload's certificate as root", roots: [ROOT.pem, leaf], said: /not a certificate authority/ },
    { name: "a damaged root", roots: [ROOT.pem.replace(/MII./, "AAAA")], said: /cannot be read/ },
  ])("refuses a bundle with $name", ({ roots, said }) => {
    expect(() => parseTrustAnchors({ roots, trustDomains })).toThrow(said);
  });

  it("refuses a bundle without a trust domain", () => {
    expect(() => parseTrustAnchors({ roots: [ROOT.pem], trustDomains: [] })).toThrow(/no trust domain/);
  });

  it("keeps what is revoked", () => {
    const revocations = { certificates: [{ serialNumber: "0a" }], identities: [identity] };
    const bundle = parseTrustAnchors({ roots: [ROOT.pem], trustDomains, revocations });
    expect(bundle.revocations?.size).toBe(2);
    expect(bundle.revocations?.find([], identity)).toBeDefined();
    expect(parseTrustAnchors({ roots: [ROOT.pem], trustDomains }).revocations).toBeUndefined();
  });

  it("reads several certificates in one entry, and comments between them", () => {
    const other = mintRoot({ commonName: "other" });
    const bundle = parseTrustAnchors({ roots: [`# one\n${ROOT.pem}\n# two\n${other.pem}`], trustDomains });
    expect(bundle.roots.map(({ subject }) => subject)).toEqual(["CN=test root", "CN=other"]);
  });
});
