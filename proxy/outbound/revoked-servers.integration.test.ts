import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { formatTaggedSerial, tagOfPodUid } from "../../mesh/identity/pod-tag.ts";
import type { DeclaredProtocol, UpstreamHttpVersion } from "../../mesh/policy/types.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { readUntil, sendRaw } from "../../net/raw-client-fixture.ts";
import type { OpenConnection } from "../connections/connection-registry.ts";
import { FakeRelay } from "../connections/relay-fixture.ts";
import { type InboundSide, startInboundSide } from "../inbound-side-fixture.ts";
import { HELLO, meshDestination, revoke, secureContextsOf, WORLD } from "../mesh-identities-fixture.ts";
import { startOutboundSide } from "../outbound-side-fixture.ts";
import { connectClient, readAll } from "../raw-sockets-fixture.ts";
import {
  CONNECTION_KINDS,
  type HoldingApplication,
  openConnection,
  startHoldingApplication,
} from "../revoked-peers-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const REVOKED = { certificates: [{ serialNumber: "abc" }] };
const SERIAL_NUMBER = Uint8Array.of(0x0a, 0xbc);
const POD = tagOfPodUid("u1");
const OF_POD = formatTaggedSerial(new Uint8Array(20).fill(1), POD);
const GET = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: world.ns2\r\nConnection: close\r\n\r\n`;

/** A server's sidecar; without a serial number it has a random one. */
async function startServer(protocol: DeclaredProtocol, serialNumber?: Uint8Array): Promise<Server> {
  const { paths, port: applicationPort } = await startHoldingApplication(cleanup, protocol);
  const secureContexts = secureContextsOf(WORLD, { ...(serialNumber && { serialNumber }) });
  const side = await startInboundSide(cleanup, { mode: "STRICT", applicationPort, protocol, secureContexts });
  return { ...side, paths };
}

interface Server extends Pick<InboundSide, "port" | "registry">, Pick<HoldingApplication, "paths"> {}

function towards(servers: readonly Server[], protocol: DeclaredProtocol, httpVersion: UpstreamHttpVersion) {
  const ports = servers.map(({ port }) => port);
  return meshDestination(ports, { overrides: { protocol, connectionPool: { httpVersion } } });
}

describe("a server that is revoked", () => {
  it("gets no byte of a stream", async () => {
    const server = await startServer("tcp", SERIAL_NUMBER);
    const secureContexts = secureContextsOf(HELLO);
    revoke(secureContexts, REVOKED);
    const outbound = await startOutboundSide(cleanup, {
      ...{ destination: towards([server], "tcp", "client"), secureContexts },
    });
    const client = connectClient(cleanup, outbound.port);
    client.end("secret");
    expect(await readAll(client)).toEqual({ text: "", reset: true });
    expect(await outbound.recorder.nextRefusal()).toMatchObject({ reason: "revoked", stage: "handshake" });
  });

  it.each([
    { version: "1.1", as: "a certificate", revoked: REVOKED, serial: SERIAL_NUMBER, what: "the certificate ABC" },
    { version: "2", as: "a certificate", revoked: REVOKED, serial: SERIAL_NUMBER, what: "the certificate ABC" },
    {
      version: "1.1",
      as: "a pod",
      revoked: { pods: [POD] },
      serial: OF_POD,
      what: "the pod of the certificate 706F64",
    },
    { version: "2", as: "a pod", revoked: { pods: [POD] }, serial: OF_POD, what: "the pod of the certificate 706F64" },
  ] as const)(
    "as $as gets no request over HTTP/$version; it is counted, and other servers are used",
    async ({ version, revoked, serial, what }) => {
      const servers = [await startServer("http", serial), await startServer("http")];
      const secureContexts = secureContextsOf(HELLO);
      revoke(secureContexts, revoked);
      const outbound = await startOutboundSide(cleanup, {
        ...{ destination: towards(servers.slice(0, 1), "http", version), secureContexts },
      });
      const answer = await sendRaw(cleanup, outbound.port, GET("/"));
      expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 503 .*mTLS refused: .*${what}[0-9A-F]* is revoked`, "s"));
      expect(outbound.http.logged).toMatchObject([{ status: 503, flags: "UF" }]);
      expect(outbound.recorder.refusals).toMatchObject([
        { reason: "revoked", stage: "handshake", client: "http pool" },
      ]);
      outbound.setDestination(towards(servers, "http", version));
      for (let request = 0; request < 4; request += 1) {
        expect(await sendRaw(cleanup, outbound.port, GET("/"))).toMatch(/^HTTP\/1\.1 200 /);
      }
    },
  );
});

describe("a kept connection to a server that is revoked, behind many others that are judged first", () => {
  const GET_KEPT = "GET / HTTP/1.1\r\nHost: world.ns2\r\n\r\n";

  it("carries no request from that moment", async () => {
    const server = await startServer("http", SERIAL_NUMBER);
    const secureContexts = secureContextsOf(HELLO);
    const destination = towards([server], "http", "1.1");
    const { port, registry } = await startOutboundSide(cleanup, { destination, secureContexts });
    const clients = [connectClient(cleanup, port), connectClient(cleanup, port)];
    const ask = async (client: Socket): Promise<string> => {
      client.write(GET_KEPT);
      return String(await once(client, "data"));
    };
    const toServer = () => registry.list().filter(({ peer }) => peer !== undefined);
    await Promise.all(clients.slice(0, 1).map(ask));
    const [first] = toServer();
    if (first === undefined) throw new Error("there is a kept connection");
    for (let index = 0; index < 300; index += 1) registry.add(connectionTo(first));
    await Promise.all(clients.map(ask));
    expect(toServer()).toHaveLength(302);
    const served = server.paths.length;
    const [answer] = clients.map(ask);
    revoke(secureContexts, REVOKED);
    expect(await answer).toMatch(/^HTTP\/1\.1 503 /);
    expect(server.paths).toHaveLength(served);
  });

  function connectionTo({ peer, endpoint }: Pick<OpenConnection, "peer" | "endpoint">): OpenConnection {
    return {
      ...{
        direction: "outbound",
        stage: "open",
        client: "",
        destination: endpoint,
        endpoint,
        host: "",
        peer,
        rule: "",
      },
      ...{ openedAtMs: 0, policyKey: "other", relay: new FakeRelay(), isAllowed: () => true },
      bytes: () => ({ received: 0, sent: 0 }),
    };
  }
});

describe("an open connection to a server that is revoked", () => {
  it.each(CONNECTION_KINDS)("is cut: $name; those to other servers go on", async (kind) => {
    const { protocol, hopVersion } = kind;
    const servers = [await startServer(protocol, SERIAL_NUMBER), await startServer(protocol)];
    const secureContexts = secureContextsOf(HELLO);
    const sides = await Promise.all(
      servers.map((server) =>
        startOutboundSide(cleanup, { destination: towards([server], protocol, hopVersion), secureContexts }),
      ),
    );
    const [cut, other] = sides;
    if (cut === undefined || other === undefined) throw new Error("there are two sides");
    const client = await openConnection(cleanup, cut.port, kind);
    const neighbour = await openConnection(cleanup, other.port, kind);
    const peers = (side: typeof cut) => side.registry.list().filter(({ peer }) => peer !== undefined).length;
    expect([peers(cut), peers(other)]).toEqual([1, 1]);
    revoke(secureContexts, REVOKED);
    await expect.poll(() => peers(cut)).toBe(0);
    expect([cut.recorder.cuts, other.recorder.cuts]).toEqual([["revoked"], []]);
    if (kind.opened === "whole") {
      client.write(kind.opening);
      expect(await readUntil(client, "503")).not.toContain("200 OK");
    } else expect((await readAll(client)).reset).toBe(true);
    expect([peers(other), neighbour.destroyed]).toEqual([1, false]);
    if (kind.protocol === "tcp" || kind.opened === "whole") {
      neighbour.write(kind.opening);
      const [answer] = await once(neighbour, "data");
      expect(String(answer)).toContain(kind.opened);
    }
    if (kind.opened === "begun" || kind.name === "a tunnel") {
      expect(cut.http.logged).toMatchObject([{ flags: "UC", details: "revoked", peer: WORLD }]);
    }
  });

  it.each(["1.1", "2"] as const)("over HTTP/%s ends its requests by a local reply with the reason", async (version) => {
    const server = await startServer("http", SERIAL_NUMBER);
    const secureContexts = secureContextsOf(HELLO);
    const outbound = await startOutboundSide(cleanup, {
      ...{ destination: towards([server], "http", version), secureContexts },
    });
    const answers = Promise.all([1, 2, 3].map(() => sendRaw(cleanup, outbound.port, GET("/silent"))));
    await expect.poll(() => server.paths).toHaveLength(3);
    expect(server.registry.size).toBe(version === "2" ? 1 : 3);
    revoke(secureContexts, REVOKED);
    for (const answer of await answers) {
      expect(answer).toMatch(/^HTTP\/1\.1 503 .*upstream reset: the proxy cut the connection \(revoked\)/s);
    }
    expect(outbound.http.logged.map(({ status, flags }) => [status, flags])).toEqual(
      Array.from({ length: 3 }, () => [503, "UC"]),
    );
  });

  it("moves an idempotent request on a kept connection to another server", async () => {
    const [revoked, other] = [await startServer("http", SERIAL_NUMBER), await startServer("http")];
    const secureContexts = secureContextsOf(HELLO);
    const outbound = await startOutboundSide(cleanup, {
      ...{ destination: towards([revoked], "http", "1.1"), secureContexts },
    });
    expect(await sendRaw(cleanup, outbound.port, GET("/"))).toMatch(/^HTTP\/1\.1 200 /);
    connectClient(cleanup, outbound.port).write(GET("/silent"));
    await expect.poll(() => revoked.paths).toEqual(["/", "/silent"]);
    outbound.setDestination(towards([other], "http", "1.1"));
    revoke(secureContexts, REVOKED);
    await expect.poll(() => other.paths).toEqual(["/silent"]);
  });
});
