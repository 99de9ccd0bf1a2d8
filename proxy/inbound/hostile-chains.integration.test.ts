import { createServer } from "node:net";
import { connect, createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import {
  formatChainPem,
  type HostileChain,
  hostileDsaKey,
  hostileRsaKey,
  mintCrossIssued,
  mintLadder,
} from "../../mesh/identity/hostile-chain-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { listen as listenOn } from "../../net/listen.ts";
import { startInboundSide } from "../inbound-side-fixture.ts";
import { meshDestination } from "../mesh-identities-fixture.ts";
import { startOutboundSide } from "../outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "../raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const ATTACKS = 40;

/** What an unauthenticated attacker can send: none of these signatures needs a secret. */
const CHAINS: readonly HostileChain[] = [
  mintCrossIssued(hostileDsaKey(), 9),
  mintLadder(Array.from({ length: 8 }, () => hostileDsaKey())),
  mintLadder(Array.from({ length: 12 }, () => hostileRsaKey(3072, Buffer.alloc(383, 0x7f)))),
  mintCrossIssued(hostileRsaKey(16_384, Buffer.alloc(8, 0xff)), 3),
];

const CONTEXTS: readonly SecureContext[] = CHAINS.map((chain) =>
  createSecureContext({
    cert: formatChainPem(chain),
    key: chain.key.export({ type: "pkcs8", format: "pem" }).toString(),
    ciphers: "DEFAULT@SECLEVEL=0",
  }),
);

function contextOf(index: number): SecureContext {
  const context = CONTEXTS[index % CONTEXTS.length];
  if (context === undefined) throw new Error("there is no hostile chain");
  return context;
}

/** One handshake with a hostile chain; resolves when the connection is closed. */
async function attack(port: number, index: number): Promise<void> {
  const socket = connect({
    port,
    host: "127.0.0.1",
    secureContext: contextOf(index),
    rejectUnauthorized: false,
    ALPNProtocols: ["istio"],
  });
  socket.on("error", () => undefined);
  socket.resume();
  await new Promise((resolve) => socket.once("close", resolve));
}

function countConnections(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith("TCPSocket")).length;
}

describe("clients with hostile chains", () => {
  it("are refused without a verification, while others are served, and leave nothing behind", async () => {
    const applicationPort = await listen(cleanup, (socket) => socket.pipe(socket));
    const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort });
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([inbound.port]) });
    const before = countConnections();
    let isOver = false;
    const attacks = (async () => {
      for (let index = 0; index < ATTACKS; index += 4) {
        await Promise.all([0, 1, 2, 3].map((offset) => attack(inbound.port, index + offset)));
      }
      isOver = true;
    })();
    let served = 0;
    while (!isOver) {
      const client = connectClient(cleanup, outbound.port);
      client.end("ping");
      expect(await readAll(client)).toEqual({ text: "ping", reset: false });
      served += 1;
    }
    await attacks;
    expect(served).toBeGreaterThan(1);
    const reasons = inbound.recorder.refusals.map(({ reason }) => reason);
    expect(reasons).toHaveLength(ATTACKS);
    expect(new Set(reasons)).toEqual(new Set(["unacceptable_chain"]));
    expect(inbound.caps.unproved.size).toBe(0);
    await expect.poll(() => inbound.registry.size).toBe(0);
    await expect.poll(countConnections).toBeLessThanOrEqual(before);
  });
});

describe("a server with a hostile chain", () => {
  it("is refused by the client's side, whose other connections continue", async () => {
    const applicationPort = await listen(cleanup, (socket) => socket.pipe(socket));
    const honest = await startInboundSide(cleanup, { mode: "STRICT", applicationPort });
    const healthy = await startOutboundSide(cleanup, { destination: meshDestination([honest.port]) });
    let handshakes = 0;
    const server = createServer((raw) => {
      handshakes += 1;
      const socket = new TLSSocket(raw, {
        isServer: true,
        secureContext: contextOf(handshakes),
        ALPNProtocols: ["istio"],
      });
      socket.on("error", () => undefined);
      cleanup.addSocket(socket);
      socket.resume();
    });
    cleanup.add(() => server.close());
    const port = await listenOn(server, { port: 0, host: "127.0.0.1", onError: () => undefined });
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([port]) });
    for (let index = 0; index < CHAINS.length; index += 1) {
      const client = connectClient(cleanup, outbound.port);
      client.end("secret");
      expect(await readAll(client)).toEqual({ text: "", reset: true });
      const other = connectClient(cleanup, healthy.port);
      other.end("ping");
      expect((await readAll(other)).text).toBe("ping");
    }
    expect(handshakes).toBe(CHAINS.length);
    expect(outbound.recorder.refusals.map(({ reason }) => reason)).toEqual(CHAINS.map(() => "unacceptable_chain"));
  });
});
