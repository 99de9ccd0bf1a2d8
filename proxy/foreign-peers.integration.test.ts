import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type MintedCertificate, mintLeaf, mintRoot } from "../mesh/identity/mint-certificate-fixture.ts";
import { parseSpiffeId, parseTrustDomain } from "../mesh/identity/spiffe-id.ts";
import { EXTENSION_OID, readExtensions } from "../mesh/identity/x509-extensions.ts";
import { federateRoots } from "../mesh/policy/authentication/peer-trust.ts";
import { systemClock } from "../mesh/runtime.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { startLenientUpstream } from "../net/lenient-upstream-fixture.ts";
import { sendRaw } from "../net/raw-client-fixture.ts";
import { createTlsContext } from "../net/tls/tls-contexts.ts";
import { startTestGateway } from "./gateway/gateway-fixture.ts";
import { startInboundSide } from "./inbound-side-fixture.ts";
import { meshDestination } from "./mesh-identities-fixture.ts";
import { createTestUpstreamDialer, startOutboundSide } from "./outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "./raw-sockets-fixture.ts";
import { createNoMetrics } from "./telemetry/proxy-metrics.ts";
import { createSecureContextSource, type WritableSecureContextSource } from "./tls/secure-context-source.ts";
import type { TrustAnchors } from "./tls/trust-anchors.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const HOUR_MS = 3_600_000;
const east = mintRoot({ commonName: "east" });
const west = mintRoot({ commonName: "west" });
const north = mintRoot({ commonName: "north" });
const EAST = parseSpiffeId("spiffe://east.example/ns/ns1/sa/app");
const WEST = parseSpiffeId("spiffe://west.example/ns/ns1/sa/app");
const REQUEST = "GET /a HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n";

function trustOf(
  own: string,
  ownRoots: readonly MintedCertificate[],
  foreign: Readonly<Record<string, readonly MintedCertificate[]>>,
): TrustAnchors {
  const certificates = (roots: readonly MintedCertificate[]) => roots.map(({ certificate }) => certificate);
  return {
    roots: certificates(ownRoots),
    trustDomains: [parseTrustDomain(own), parseTrustDomain(`old.${own}`)],
    federated: Object.entries(foreign).map(([domain, roots]) =>
      federateRoots(parseTrustDomain(domain), certificates(roots)),
    ),
  };
}

/** The mesh east, which trusts west and north; and the mesh west, which trusts east. */
const EAST_TRUST = trustOf("east.example", [east], { "west.example": [west], "north.example": [north] });
const WEST_TRUST = trustOf("west.example", [west], { "east.example": [east] });

function sourceOf(
  identity: string,
  issuer: MintedCertificate,
  trust: TrustAnchors,
  intermediates: readonly MintedCertificate[] = [],
): WritableSecureContextSource {
  const source = createSecureContextSource({ trust, clock: systemClock });
  const notAfterMs = Date.now() + HOUR_MS;
  const times = { notBefore: new Date(Date.now() - HOUR_MS), notAfter: new Date(notAfterMs) };
  const leaf = mintLeaf({ issuer, uriSans: [identity], ...times });
  const svid = {
    identity: parseSpiffeId(identity),
    certificates: [leaf, ...intermediates].map(({ certificate }) => certificate),
    privateKeyPem: leaf.keyPem,
  };
  source.setSvid({ ...svid, notAfterMs });
  return source;
}

function readKeyIdentifier({ certificate }: MintedCertificate): Buffer {
  const found = readExtensions(certificate.raw).find(({ oid }) => oid === EXTENSION_OID.subjectKeyIdentifier);
  return Buffer.from(found?.value ?? []).subarray(2);
}

const eastSource = () => sourceOf(EAST, east, EAST_TRUST);
const westSource = () => sourceOf(WEST, west, WEST_TRUST);

async function startHttpServer(secureContexts: WritableSecureContextSource, principals?: readonly string[]) {
  const application = await startLenientUpstream(cleanup);
  const rule = { from: [[{ key: "source.principal", values: principals ?? [], notValues: [] }]], to: [], when: [] };
  const policy = {
    namespace: "ns1",
    name: "p",
    action: "ALLOW",
    provider: "",
    isDryRun: false,
    rules: [rule],
  } as const;
  const side = await startInboundSide(cleanup, {
    ...{ mode: "STRICT", applicationPort: application.port, protocol: "http", secureContexts },
    authorization: { policies: principals === undefined ? [] : [policy] },
  });
  const certificates = () =>
    application.executed.map(({ head }) => /^x-forwarded-client-cert: (.*)$/im.exec(head)?.[1] ?? "none");
  return { side, certificates };
}

async function request(port: number, secureContexts: WritableSecureContextSource, expected: string) {
  const destination = meshDestination([port], {
    identities: [parseSpiffeId(expected)],
    overrides: { protocol: "http" },
  });
  const outbound = await startOutboundSide(cleanup, { destination, secureContexts });
  const response = await sendRaw(cleanup, outbound.port, REQUEST);
  return { status: response.slice(9, 12), response };
}

describe("between two meshes", () => {
  it.each([
    { name: "east to west", client: eastSource, server: westSource, from: EAST, to: WEST },
    { name: "west to east", client: westSource, server: eastSource, from: WEST, to: EAST },
  ])("a request from $name arrives with the identity of its mesh", async ({ client, server, from, to }) => {
    const { side, certificates } = await startHttpServer(server());
    expect((await request(side.port, client(), to)).status).toBe("200");
    expect(certificates()).toEqual([expect.stringMatching(`^By=${to};Hash=[0-9a-f]{64};Subject="";URI=${from}$`)]);
  });

  it("OpenSSL accepts the foreign peer in the handshake itself", async () => {
    const { side } = await startHttpServer(westSource());
    const secureContext = eastSource().current()?.context;
    const client = connectTls({ host: "127.0.0.1", port: side.port, rejectUnauthorized: false, ...{ secureContext } });
    client.on("error", () => undefined);
    cleanup.addSocket(client);
    await once(client, "secureConnect");
    // The name alone is not what a client would expect of a web server.
    expect(String(client.authorizationError)).toContain("ERR_TLS_CERT_ALTNAME_INVALID");
  });

  it("a gateway reaches a workload of the other mesh, which sees the gateway's identity", async () => {
    const { side, certificates } = await startHttpServer(westSource());
    const destination = meshDestination([side.port], { identities: [WEST] });
    const options = { destination, meters: createNoMetrics(), secureContexts: eastSource() };
    const { port } = await startTestGateway(cleanup, 0, { dialer: createTestUpstreamDialer(cleanup, options).dialer });
    expect((await sendRaw(cleanup, port, REQUEST)).slice(9, 12)).toBe("200");
    expect(certificates()).toEqual([expect.stringContaining(`URI=${EAST}`)]);
  });

  it.each([
    { name: "its principal", principal: "west.example/ns/ns1/sa/app", status: "200" },
    { name: "the same account of its own mesh", principal: "east.example/ns/ns1/sa/app", status: "403" },
    { name: "another principal there", principal: "west.example/ns/ns1/sa/other", status: "403" },
  ])("a policy that allows $name answers a foreign client with $status", async ({ principal, status }) => {
    const { side } = await startHttpServer(eastSource(), [principal]);
    expect((await request(side.port, westSource(), EAST)).status).toBe(status);
  });
});

describe("a foreign authority", () => {
  it.each([
    { name: "the mesh's own domain", identity: "spiffe://east.example/ns/ns1/sa/app", issuer: west },
    { name: "its alias", identity: "spiffe://old.east.example/ns/ns1/sa/app", issuer: west },
    { name: "a third domain", identity: "spiffe://north.example/ns/ns1/sa/app", issuer: west },
    { name: "another domain, as the mesh's own authority", identity: WEST, issuer: east },
  ])("cannot prove a client of $name", async ({ identity, issuer }) => {
    const { side, certificates } = await startHttpServer(eastSource());
    const attacker = sourceOf(identity, issuer, WEST_TRUST);
    expect((await request(side.port, attacker, EAST)).status).not.toBe("200");
    const refusal = await side.recorder.nextRefusal();
    expect(refusal.reason).toBe("wrong_authority");
    expect(refusal.message).toContain(`${identity} is signed by an authority of`);
    expect(certificates()).toEqual([]);
  });

  it("does not end connections of the mesh's own by the name and the key identifier of its authorities", async () => {
    const signer = mintRoot({ commonName: "signer", issuer: east });
    const keyIdentifier = readKeyIdentifier(signer);
    const namesake = mintRoot({ commonName: "signer", keyIdentifier });
    const trust = trustOf("east.example", [east], { "west.example": [west, namesake] });
    const { side, certificates } = await startHttpServer(sourceOf(EAST, signer, trust, [signer]));
    expect((await request(side.port, sourceOf(EAST, signer, trust, [signer]), EAST)).status).toBe("200");
    expect(certificates()).toEqual([expect.stringContaining(`URI=${EAST}`)]);
    // By itself, OpenSSL tries that root alone, and gives up.
    const context = createTlsContext({ ca: [...trust.roots, namesake.certificate].join("") });
    const alone = connectTls({ host: "127.0.0.1", port: side.port, secureContext: context, rejectUnauthorized: false });
    alone.on("error", () => undefined);
    cleanup.addSocket(alone);
    await once(alone, "secureConnect");
    expect(String(alone.authorizationError)).toContain("CERT_SIGNATURE_FAILURE");
  });

  it("cannot prove a server of the mesh's own domain", async () => {
    const { side, certificates } = await startHttpServer(sourceOf(EAST, west, EAST_TRUST));
    const { status } = await request(side.port, eastSource(), EAST);
    expect([status, certificates()]).toEqual(["503", []]);
  });
});

describe("an open connection to a foreign peer", () => {
  async function open() {
    const port = await listen(cleanup, (socket) => socket.pipe(socket));
    const [server, client] = [eastSource(), westSource()];
    const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort: port, secureContexts: server });
    const destination = meshDestination([inbound.port], { identities: [EAST] });
    const outbound = await startOutboundSide(cleanup, { destination, secureContexts: client });
    const socket = connectClient(cleanup, outbound.port);
    const echo = async (text: string): Promise<string> => {
      socket.write(text);
      return String((await once(socket, "data"))[0]);
    };
    expect(await echo("one")).toBe("one");
    return { socket, echo, server, client, inbound, outbound };
  }

  it("goes on while the other mesh's root is replaced, and ends when it is withdrawn", async () => {
    const { socket, echo, server, inbound } = await open();
    const next = mintRoot({ commonName: "west 2" });
    server.setTrust(trustOf("east.example", [east], { "west.example": [west, next] }));
    expect(await echo("two")).toBe("two");
    server.setTrust(trustOf("east.example", [east], { "west.example": [next] }));
    expect((await readAll(socket)).reset).toBe(true);
    expect(inbound.recorder.cuts).toHaveLength(1);
  });

  it("ends at the client, too, when its mesh trusts the other one no longer", async () => {
    const { socket, client, outbound } = await open();
    client.setTrust({ ...WEST_TRUST, federated: [] });
    expect((await readAll(socket)).reset).toBe(true);
    expect(outbound.recorder.cuts).toHaveLength(1);
  });

  it("is not saved by another domain that gets the same root", async () => {
    const { socket, server, inbound } = await open();
    server.setTrust(trustOf("east.example", [east, west], { "north.example": [west] }));
    expect((await readAll(socket)).reset).toBe(true);
    expect(inbound.recorder.cuts).toHaveLength(1);
  });
});
