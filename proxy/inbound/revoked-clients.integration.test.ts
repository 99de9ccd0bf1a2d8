import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { readCertificateParts } from "../../mesh/identity/certificate-parts.ts";
import { mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import { formatTaggedSerial, tagOfPodUid } from "../../mesh/identity/pod-tag.ts";
import { parseSpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { hashIssuerName } from "../../mesh/policy/authentication/revocations.ts";
import type { Revocations } from "../../mesh/policy/types.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { listen } from "../../net/raw-client-fixture.ts";
import { dialMesh } from "../http/attacks/mesh-tunnel-fixture.ts";
import { startInboundSide } from "../inbound-side-fixture.ts";
import { HELLO, MESH_ROOT, meshDestination, revoke, secureContextsOf, WORLD } from "../mesh-identities-fixture.ts";
import { startOutboundSide } from "../outbound-side-fixture.ts";
import { connectClient, readAll } from "../raw-sockets-fixture.ts";
import { CONNECTION_KINDS, openConnection, startHoldingApplication } from "../revoked-peers-fixture.ts";
import type { SecureContextSource } from "../tls/secure-context-source.ts";
import { pingThroughSidecar, startEchoSide } from "./echo-application-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const HONEST = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/honest");
const AUTHORITY = mintRoot({ commonName: "authority", issuer: MESH_ROOT, serialNumber: Uint8Array.of(0x0b) });
const OTHER_AUTHORITY = mintRoot({ commonName: "other authority", issuer: MESH_ROOT });
const SERIAL_NUMBER = Uint8Array.of(0x0a, 0xbc);
const POD = tagOfPodUid("u1");
const OF_POD = formatTaggedSerial(new Uint8Array(20).fill(1), POD);

/** An attacker who has the key of a pod's certificate, and sends whatever authorities it likes. */
function attackerOf(issuer = AUTHORITY, intermediates = [issuer], serialNumber = SERIAL_NUMBER): SecureContextSource {
  return secureContextsOf(HELLO, { issuer, intermediates, serialNumber });
}

function nameOf(authority: typeof AUTHORITY): string {
  return hashIssuerName(readCertificateParts(authority.certificate.raw).subject);
}

function certificates(serialNumber: string, issuer?: typeof AUTHORITY): Partial<Revocations> {
  return { certificates: [{ serialNumber, ...(issuer && { issuer: nameOf(issuer) }) }] };
}

async function startSide(revoked: Partial<Revocations>) {
  const secureContexts = secureContextsOf(WORLD);
  revoke(secureContexts, revoked);
  return await startEchoSide(cleanup, "STRICT", { secureContexts });
}

describe("a new client", () => {
  it.each([
    { name: "by its serial number", revoked: certificates("ABC"), message: "the certificate ABC is revoked" },
    { name: "in lower case, with leading zeros", revoked: certificates("000abc") },
    { name: "by serial number and issuer", revoked: certificates("ABC", AUTHORITY) },
    { name: "by its identity", revoked: { identities: [HELLO] }, message: `the identity ${HELLO} is revoked` },
    {
      name: "by the serial number of its authority",
      revoked: certificates("B", MESH_ROOT),
      message: "the certificate B of an authority in the peer's chain is revoked",
    },
  ])("that is revoked $name is refused, and the application sees no connection", async ({ revoked, message }) => {
    const { side, echo } = await startSide(revoked);
    expect(await pingThroughSidecar(cleanup, side, attackerOf())).toEqual({ text: "", reset: true });
    expect(await side.recorder.nextRefusal()).toMatchObject({
      ...{ reason: "revoked", stage: "handshake", direction: "inbound" },
      ...(message !== undefined && { message }),
    });
    expect(echo.connections()).toBe(0);
    expect(await pingThroughSidecar(cleanup, side, secureContextsOf(HONEST))).toEqual({ text: "ping", reset: false });
  });

  it("that is revoked as a pod is refused with each of its certificates; another pod of the account is admitted", async () => {
    const { side, echo } = await startSide({ pods: [POD] });
    for (const [issuer, fill] of [
      [AUTHORITY, 1],
      [OTHER_AUTHORITY, 2],
    ] as const) {
      const serialNumber = formatTaggedSerial(new Uint8Array(20).fill(fill), POD);
      const attacker = attackerOf(issuer, [issuer], serialNumber);
      expect(await pingThroughSidecar(cleanup, side, attacker)).toEqual({ text: "", reset: true });
      expect(await side.recorder.nextRefusal()).toMatchObject({
        ...{ reason: "revoked", stage: "handshake" },
        message: expect.stringMatching(/^the pod of the certificate 706F64[0-9A-F]{34} is revoked$/),
      });
    }
    expect(echo.connections()).toBe(0);
    const sibling = attackerOf(AUTHORITY, [AUTHORITY], formatTaggedSerial(new Uint8Array(20), tagOfPodUid("u2")));
    expect(await pingThroughSidecar(cleanup, side, sibling)).toEqual({ text: "ping", reset: false });
  });

  it.each([
    { name: "behind another authority", intermediates: [OTHER_AUTHORITY, AUTHORITY] },
    { name: "in front of another authority", intermediates: [AUTHORITY, OTHER_AUTHORITY, AUTHORITY] },
    { name: "with the root", intermediates: [AUTHORITY, MESH_ROOT] },
  ])("stays refused when it sends its authority $name", async ({ intermediates }) => {
    for (const revoked of [certificates("ABC", AUTHORITY), certificates("B")]) {
      const { side, echo } = await startSide(revoked);
      const answer = await pingThroughSidecar(cleanup, side, attackerOf(AUTHORITY, intermediates));
      expect(answer).toEqual({ text: "", reset: true });
      expect((await side.recorder.nextRefusal()).reason).toBe("revoked");
      expect(echo.connections()).toBe(0);
    }
  });

  it("with the same serial number of another authority is admitted", async () => {
    const { side } = await startSide(certificates("ABC", AUTHORITY));
    const answer = await pingThroughSidecar(cleanup, side, attackerOf(OTHER_AUTHORITY));
    expect(answer).toEqual({ text: "ping", reset: false });
  });

  it("is admitted again once the revocation of its identity is lifted", async () => {
    const secureContexts = secureContextsOf(WORLD);
    revoke(secureContexts, { identities: [HELLO] });
    const { side } = await startEchoSide(cleanup, "STRICT", { secureContexts });
    expect((await pingThroughSidecar(cleanup, side, attackerOf())).reset).toBe(true);
    revoke(secureContexts, {});
    expect(await pingThroughSidecar(cleanup, side, attackerOf())).toEqual({ text: "ping", reset: false });
  });
});

describe("an open connection of a client that is revoked", () => {
  const ways = [
    { way: "as a certificate", revoked: certificates("ABC"), serialNumber: SERIAL_NUMBER },
    { way: "as a pod", revoked: { pods: [POD] }, serialNumber: OF_POD },
  ];
  const cases = ways.flatMap((way) => CONNECTION_KINDS.map((kind) => ({ ...way, ...kind })));

  it.each(cases)("is cut $way: $name; those of others go on", async ({ revoked, serialNumber, ...kind }) => {
    const secureContexts = secureContextsOf(WORLD);
    const application = await startHoldingApplication(cleanup, kind.protocol);
    const side = await startInboundSide(cleanup, {
      ...{ mode: "STRICT", applicationPort: application.port, secureContexts },
      protocol: kind.protocol,
    });
    const destination = meshDestination([side.port], {
      overrides: { protocol: kind.protocol, connectionPool: { httpVersion: kind.hopVersion } },
    });
    const open = async (own: SecureContextSource): Promise<Socket> => {
      const { port } = await startOutboundSide(cleanup, { destination, secureContexts: own });
      return await openConnection(cleanup, port, kind);
    };
    const attacker = await open(attackerOf(AUTHORITY, [AUTHORITY], serialNumber));
    const honest = await open(secureContextsOf(HONEST));
    const peers = () => side.registry.list().flatMap(({ peer }) => peer?.identity ?? []);
    expect(peers().toSorted()).toEqual([HELLO, HONEST]);
    const ended = readAll(attacker);
    revoke(secureContexts, revoked);
    await expect.poll(peers).toEqual([HONEST]);
    expect(side.recorder.cuts).toEqual(["revoked"]);
    if (kind.opened !== "whole") {
      expect((await ended).reset).toBe(true);
      expect(honest.destroyed).toBe(false);
    }
    if (kind.opened === "whole" || kind.protocol === "tcp") {
      honest.write(kind.opening);
      const [answer] = await once(honest, "data");
      expect(String(answer)).toContain(kind.opened);
    }
    if (kind.opened === "begun" || kind.name === "a tunnel") {
      expect(side.http.logged).toMatchObject([{ flags: "DO", details: "revoked", peer: HELLO }]);
    }
  });
});

describe("many open connections of a client that is revoked", () => {
  /** More than are judged before others have their turn. */
  const CONNECTIONS = 60;
  const GET = "GET / HTTP/1.1\r\nHost: world.ns2\r\n\r\n";

  it("serve no request from that moment, not even those that have not been cut yet", async () => {
    const secureContexts = secureContextsOf(WORLD);
    const application = await startHoldingApplication(cleanup, "http");
    const side = await startInboundSide(cleanup, {
      ...{ mode: "STRICT", applicationPort: application.port, protocol: "http", secureContexts },
    });
    const clients: Socket[] = [];
    for (let index = 0; index < CONNECTIONS; index += 1) {
      const client = await dialMesh(cleanup, side.port, ["istio-http/1.1", "istio"]);
      client.write(GET);
      await once(client, "data");
      clients.push(client);
    }
    expect(application.paths).toHaveLength(CONNECTIONS);
    // All requests are in the sidecar's sockets before it hears of the revocation.
    for (const client of clients) client.write(GET);
    revoke(secureContexts, { identities: [HELLO] });
    await expect.poll(() => side.registry.size).toBe(0);
    expect(side.recorder.cuts).toHaveLength(CONNECTIONS);
    expect(application.paths).toHaveLength(CONNECTIONS);
  });
});

describe("a client whose handshake is in progress when it is revoked", () => {
  /** Between a client and a sidecar: holds back what the client sends after its first packet. */
  async function startBrake(port: number) {
    const held = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const server = createServer((client) => {
      const upstream = connect({ port, host: "127.0.0.1" });
      for (const socket of [client, upstream]) {
        socket.on("error", () => undefined);
        cleanup.addSocket(socket);
      }
      upstream.pipe(client);
      client.once("data", (hello: Buffer) => {
        upstream.write(hello);
        client.once("data", (rest: Buffer) => {
          held.resolve();
          void released.promise.then(() => {
            upstream.write(rest);
            client.pipe(upstream);
          });
        });
      });
    });
    return { port: await listen(cleanup, server), held: held.promise, release: () => released.resolve() };
  }

  it("is refused by what is revoked when the handshake ends", async () => {
    const secureContexts = secureContextsOf(WORLD);
    const { side, echo } = await startEchoSide(cleanup, "STRICT", { secureContexts });
    const brake = await startBrake(side.port);
    const destination = meshDestination([brake.port]);
    const outbound = await startOutboundSide(cleanup, { destination, secureContexts: attackerOf() });
    const client = connectClient(cleanup, outbound.port);
    client.end("ping");
    await brake.held;
    revoke(secureContexts, certificates("ABC"));
    brake.release();
    expect((await side.recorder.nextRefusal()).reason).toBe("revoked");
    expect((await readAll(client)).text).toBe("");
    expect([echo.connections(), side.registry.size]).toEqual([0, 0]);
  });
});
