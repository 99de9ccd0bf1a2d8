import { once } from "node:events";
import { createServer } from "node:net";
import { Duplex } from "node:stream";
import { connect } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../mesh/runtime.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startInboundSide } from "../inbound-side-fixture.ts";
import { secureContextsOf, WORLD } from "../mesh-identities-fixture.ts";
import { connectClient, listen } from "../raw-sockets-fixture.ts";
import { sniffClient } from "./sniff-client.ts";
import { terminateTls } from "./terminate-tls.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A whole ClientHello of a mesh client. */
async function clientHello(): Promise<Buffer> {
  return await new Promise((resolve) => {
    const wire = new Duplex({
      read: () => undefined,
      write: (chunk: Buffer, _encoding, done) => {
        resolve(chunk);
        done();
      },
    });
    const client = connect({ socket: wire, ALPNProtocols: ["istio"], rejectUnauthorized: false });
    client.on("error", () => undefined);
    cleanup.addSocket(client);
  });
}

describe("a client that half-closes after its ClientHello", () => {
  it.each(["STRICT", "PERMISSIVE"] as const)("frees its slot at once under %s", async (mode) => {
    const application = await listen(cleanup, () => undefined);
    const limits = { handshakeTimeoutMs: 600_000 };
    const side = await startInboundSide(cleanup, { mode, applicationPort: application, limits });
    connectClient(cleanup, side.port).end(await clientHello());
    expect((await side.recorder.nextRefusal()).reason).toBe("handshake_failed");
    expect(side.caps.unproved.size).toBe(0);
    await expect.poll(() => side.registry.size).toBe(0);
  });

  it("also fails the handshake when the FIN was read before TLS took over the socket", async () => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
    const port = await new Promise<number>((resolve) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        resolve(typeof address === "object" ? (address?.port ?? 0) : 0);
      });
    });
    cleanup.add(() => server.close());
    const sender = connectClient(cleanup, port);
    sender.end(await clientHello());
    const [socket] = await once(server, "connection");
    const mode = (): "PERMISSIVE" => "PERMISSIVE";
    const client = await sniffClient(socket, { clock: systemClock, silenceMs: undefined, mode });
    expect(client.kind).toBe("mesh_tls");
    if (!sender.writableFinished) await once(sender, "finish");
    for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    const material = secureContextsOf(WORLD).current();
    if (material === undefined) throw new Error("the fixture has a certificate");
    const result = await terminateTls(socket, {
      ...{ clock: systemClock, timeoutMs: 600_000, material, trust: () => material.trust, protocol: undefined },
    });
    expect(result).toMatchObject({ kind: "failed", reason: "handshake_failed" });
  });
});
