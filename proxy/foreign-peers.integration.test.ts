import { once } from "node:events";
import { connect as connectTls } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { type MintedCertificate, mintRoot } from "../mesh/identity/mint-certificate-fixture.ts";
import { EXTENSION_OID, readExtensions } from "../mesh/identity/x509-extensions.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { sendRaw } from "../net/raw-client-fixture.ts";
import { createTlsContext } from "../net/tls/tls-contexts.ts";
import {
  EAST,
  EAST_TRUST,
  east,
  eastSource,
  REQUEST,
  request,
  sourceOf,
  startServer,
  trustOf,
  WEST,
  WEST_TRUST,
  west,
  westSource,
} from "./foreign-peers-fixture.ts";
import { startTestGateway } from "./gateway/gateway-fixture.ts";
import { startInboundSide } from "./inbound-side-fixture.ts";
import { meshDestination } from "./mesh-identities-fixture.ts";
import { createTestUpstreamDialer, startOutboundSide } from "./outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "./raw-sockets-fixture.ts";
import { createNoMetrics } from "./telemetry/proxy-metrics.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

function readKeyIdentifier({ certificate }: MintedCertificate): Buffer {
  const found = readExtensions(certificate.raw).find(({ oid }) => oid === EXTENSION_OID.subjectKeyIdentifier);
  return Buffer.from(found?.value ?? []).subarray(2);
}

describe("between two meshes", () => {
  it.each([
    { name: "east to west", client: eastSource, server: westSource, from: EAST, to: WEST },
    { name: "west to east", client: westSource, server: eastSource, from: WEST, to: EAST },
  ])("a request from $name arrives with the identity of its mesh", async ({ client, server, from, to }) => {
    const { side, certificates } = await startServer(cleanup, server());
    expect(await request(cleanup, { port: side.port, secureContexts: client(), expected: to })).toBe("200");
    expect(certificates()).toEqual([expect.stringMatching(`^By=${to};Hash=[0-9a-f]{64};Subject="";URI=${from}$`)]);
  });

  it("OpenSSL accepts the foreign peer in the handshake itself", async () => {
    const { side } = await startServer(cleanup, westSource());
    const secureContext = eastSource().current()?.context;
    const client = connectTls({ host: "127.0.0.1", port: side.port, rejectUnauthorized: false, ...{ secureContext } });
    client.on("error", () => undefined);
    cleanup.addSocket(client);
    await once(client, "secureConnect");
    // The name alone is not what a client would expect of a web server.
    expect(String(client.authorizationError)).toContain("ERR_TLS_CERT_ALTNAME_INVALID");
  });

  it("a gateway reaches a workload of the other mesh, which sees the gateway's identity", async () => {
    const { side, certificates } = await startServer(cleanup, westSource());
    const destination = meshDestination([side.port], { identities: [WEST] });
    const options = { destination, meters: createNoMetrics(), secureContexts: eastSource() };
    const { port } = await startTestGateway(cleanup, 0, { dialer: createTestUpstreamDialer(cleanup, options).dialer });
    expect((await sendRaw(cleanup, port, REQUEST)).slice(9, 12)).toBe("200");
    expect(certificates()).toEqual([expect.stringContaining(`URI=${EAST}`)]);
  });
});

describe("a foreign authority", () => {
  it.each([
    { name: "the mesh's own domain", identity: "spiffe://east.example/ns/ns1/sa/app", issuer: west },
    { name: "its alias", identity: "spiffe://old.east.example/ns/ns1/sa/app", issuer: west },
    { name: "a third domain", identity: "spiffe://north.example/ns/ns1/sa/app", issuer: west },
    { name: "another domain, as the mesh's own authority", identity: WEST, issuer: east },
  ])("cannot prove a client of $name", async ({ identity, issuer }) => {
    const { side, certificates } = await startServer(cleanup, eastSource());
    const attacker = sourceOf(identity, issuer, WEST_TRUST);
    expect(await request(cleanup, { port: side.port, secureContexts: attacker, expected: EAST })).not.toBe("200");
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
    const { side, certificates } = await startServer(cleanup, sourceOf(EAST, signer, trust, [signer]));
    expect(
      await request(cleanup, {
        port: side.port,
        secureContexts: sourceOf(EAST, signer, trust, [signer]),
        expected: EAST,
      }),
    ).toBe("200");
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
    const { side, certificates } = await startServer(cleanup, sourceOf(EAST, west, EAST_TRUST));
    const status = await request(cleanup, { port: side.port, secureContexts: eastSource(), expected: EAST });
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
