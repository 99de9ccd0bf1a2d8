import { randomBytes, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { fromBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { filesOf } from "../../ca-agent/authority/authority-fixture.ts";
import { createLiveAuthority } from "../../ca-agent/authority/live-authority.ts";
import { parseTrustedMaterial } from "../../ca-agent/authority/trusted-material.ts";
import { IstioCertificateResponseSchema, IstioCertificateService } from "../../mesh/api/gen/ca_pb.ts";
import { type PeerContext, peerIdentityKey } from "../../mesh/api/peer-context.ts";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { parseTrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { readUriSans } from "../../mesh/identity/x509-san.ts";
import { RecordingLogger, unlimitedLog } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import {
  type ClientCertificate,
  type ControlPlaneFixture,
  CREATE_CERTIFICATE_PATH,
  type FixtureOptions,
  startControlPlaneFixture,
} from "./control-plane-fixture.ts";
import { startControlPlaneServer } from "./control-plane-server.ts";

const HOUR_MS = 3_600_000;
let fixture: ControlPlaneFixture;

beforeAll(async () => {
  fixture = await startControlPlaneFixture();
});
afterAll(() => fixture.stop());

describe("CreateCertificate", () => {
  it("gives the caller's certificate first and the root last, each with a newline", async () => {
    const chain = await fixture.ask({ bearer: await fixture.token() });
    expect(chain.length).toBeGreaterThan(1);
    expect(chain.every((pem) => pem.endsWith("\n"))).toBe(true);
    expect(readUriSans(new X509Certificate(chain[0] ?? "").raw)).toEqual(["spiffe://cluster.local/ns/ns1/sa/default"]);
    expect(chain.at(-1)).toBe(fixture.authority.roots()[0]);
  });

  it.each([
    { name: "no token", bearer: () => undefined, reason: "no_token" },
    { name: "an expired token", bearer: () => fixture.token("-1 minute"), reason: "expired" },
    { name: "garbage for a token", bearer: () => "garbage", reason: "malformed" },
  ])("with $name is refused without a reason, which only the log contains", async ({ bearer, reason }) => {
    const given = await bearer();
    const error = ConnectError.from(
      await fixture.ask(given === undefined ? {} : { bearer: given }).catch((caught: unknown) => caught),
    );
    expect(error.code).toBe(Code.Unauthenticated);
    expect(error.rawMessage).toBe("request authenticate failure");
    expect(fixture.log.find(`"reason":"${reason}"`).length).toBeGreaterThan(0);
  });
});

/** The peer that the server sees over a connection with this certificate. */
async function seenPeer(plane: ControlPlaneFixture, certificate?: ClientCertificate): Promise<PeerContext> {
  const session = plane.dialHttp2(certificate);
  try {
    return await askPeer(session);
  } finally {
    session.destroy();
  }
}

/** Calls the test's handler on an open connection; an empty message has no octets. */
async function askPeer(session: ReturnType<ControlPlaneFixture["dialHttp2"]>): Promise<PeerContext> {
  const headers = { ":method": "POST", ":path": CREATE_CERTIFICATE_PATH, "content-type": "application/grpc" };
  const stream = session.request({ ...headers, te: "trailers" });
  stream.end(Buffer.alloc(5));
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  const { certChain } = fromBinary(IstioCertificateResponseSchema, Buffer.concat(chunks).subarray(5));
  return JSON.parse(certChain[0] ?? "");
}

describe("the caller as handlers see it", () => {
  // Behind the machine's clock, which OpenSSL uses, so that time can pass.
  const clock = new FakeClock(Date.now() - 10 * 60_000);
  const startWith = (options: FixtureOptions = {}) =>
    startControlPlaneFixture({
      ...{ clock, ...options },
      routes: (router) =>
        router.service(IstioCertificateService, {
          createCertificate: (_request, context) => ({
            certChain: [JSON.stringify(context.values.get(peerIdentityKey))],
          }),
        }),
    });
  let plane: ControlPlaneFixture;
  beforeAll(async () => {
    plane = await startWith();
  });
  afterAll(() => plane.stop());

  it("has its serial number in the form in which it is revoked, also of another authority's certificate", async () => {
    const root = mintRoot();
    const files = filesOf({ signer: root, roots: [root], intermediates: [] });
    const source = { clock, randomBytes, log: new RecordingLogger() };
    const material = await parseTrustedMaterial(files, { trustDomain: parseTrustDomain("cluster.local"), ...source });
    const other = await startWith({ authority: createLiveAuthority(material, source) });
    const { pem, keyPem, certificate } = mintLeaf({
      issuer: root,
      uriSans: ["spiffe://cluster.local/ns/ns1/sa/default"],
      notBefore: new Date("2020-01-01"),
      notAfter: new Date("2044-01-01"),
      serialNumber: Uint8Array.of(0x0a, 0xbc),
    });
    expect(certificate.serialNumber).toBe("0ABC");
    const peer = await seenPeer(other, { cert: pem, key: keyPem });
    expect(peer).toMatchObject({ kind: "verified", certificate: { serialNumber: "ABC" } });
    await other.stop();
  });

  it("is the identity in the certificate", async () => {
    expect(await seenPeer(plane, await plane.workload())).toMatchObject({
      kind: "verified",
      identity: "spiffe://cluster.local/ns/ns1/sa/default",
    });
  });

  it("is anonymous without a certificate", async () => {
    expect(await seenPeer(plane)).toMatchObject({ kind: "anonymous", reason: "the peer showed no certificate" });
  });

  it("is anonymous with a certificate of another root", async () => {
    const leaf = mintLeaf({
      issuer: mintRoot(),
      uriSans: ["spiffe://cluster.local/ns/ns1/sa/default"],
      notBefore: new Date("2020-01-01"),
      notAfter: new Date("2044-01-01"),
    });
    expect(await seenPeer(plane, { cert: leaf.pem, key: leaf.keyPem })).toMatchObject({ kind: "anonymous" });
  });

  it("is anonymous with a server's certificate of the mesh's own root", async () => {
    const pair = plane.authority.signServing({ dnsNames: ["istiod.istio-system.svc"], lifetimeMs: HOUR_MS });
    const peer = await seenPeer(plane, { cert: pair.certificateChainPem, key: pair.privateKeyPem });
    expect(peer).toMatchObject({ kind: "anonymous" });
  });

  it("can have a dozen calls open at once", async () => {
    const session = plane.dialHttp2(await plane.workload());
    const peers = await Promise.all(Array.from({ length: 12 }, () => askPeer(session)));
    expect(peers.every(({ kind }) => kind === "verified")).toBe(true);
    session.destroy();
  });

  it("is anonymous once the certificate has expired, and the connection ends", async () => {
    const session = plane.dialHttp2(await plane.workload(11 * 60_000));
    const closed = once(session, "close");
    expect((await askPeer(session)).kind).toBe("verified");
    clock.jump(11 * 60_000 + 1000);
    expect(await askPeer(session)).toMatchObject({
      kind: "anonymous",
      reason: expect.stringContaining("has expired since the handshake"),
    });
    await clock.advance(11 * 60_000);
    await closed;
  });
});

describe("the server's own certificate", () => {
  /** The serial number of the certificate that the server presents on a new connection. */
  async function shownSerial(plane: ControlPlaneFixture): Promise<string> {
    const socket = plane.dialTls();
    await once(socket, "secureConnect");
    expect(socket.authorized).toBe(true);
    const serial = socket.getPeerX509Certificate()?.serialNumber ?? "";
    socket.destroy();
    return serial;
  }

  it("is replaced at half its lifetime without a restart", async () => {
    const clock = new FakeClock(Date.now() - 13 * HOUR_MS);
    const plane = await startControlPlaneFixture({ clock });
    const first = await shownSerial(plane);
    await clock.advance(11 * HOUR_MS);
    expect(await shownSerial(plane)).toBe(first);
    await clock.advance(HOUR_MS + 60_000);
    expect(await shownSerial(plane)).not.toBe(first);
    await expectNoResumption(plane);
    await plane.stop();
    expect(clock.pendingTimers).toBe(0);
  });

  it("never opens a connection by resuming a session", () => expectNoResumption(fixture));

  it("is negotiated with a post-quantum key exchange, or X25519 for clients without it", async () => {
    const group = async (ecdhCurve?: string): Promise<unknown> => {
      const socket = fixture.dialTls(ecdhCurve === undefined ? {} : { ecdhCurve });
      await once(socket, "secureConnect");
      const info = socket.getEphemeralKeyInfo();
      socket.destroy();
      return Reflect.get(info ?? {}, "name");
    };
    expect(await group("X25519MLKEM768:X25519")).toBe("X25519MLKEM768");
    expect(await group("X25519")).toBe("X25519");
  });
});

/** On a resumed session no certificate is verified (compare CVE-2022-21654). */
async function expectNoResumption(plane: ControlPlaneFixture): Promise<void> {
  const identity = await plane.workload();
  for (const version of ["TLSv1.2", "TLSv1.3"] as const) {
    const options = { ...identity, minVersion: version, maxVersion: version };
    const socket = plane.dialTls(options);
    await once(socket, "secureConnect");
    const session = socket.getSession();
    socket.destroy();
    const again = plane.dialTls(session === undefined ? options : { ...options, session });
    await once(again, "secureConnect");
    expect(again.isSessionReused()).toBe(false);
    expect(again.alpnProtocol).toBe("h2");
    again.destroy();
  }
}

it("a port that is in use is named, with the fix", async () => {
  const second = startControlPlaneServer({
    host: "127.0.0.1",
    port: fixture.server.port,
    authority: fixture.authority,
    dnsNames: ["localhost"],
    trustDomains: [parseTrustDomain("cluster.local")],
    routes: () => undefined,
    clock: systemClock,
    log: fixture.log,
    limitLog: unlimitedLog,
  });
  await expect(second).rejects.toThrow(`port_in_use: port ${fixture.server.port} is in use: stop what listens there`);
});
