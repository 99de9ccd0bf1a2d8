import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { findFreePort } from "../../net/free-port-fixture.ts";
import { startInboundSide } from "../inbound-side-fixture.ts";
import { meshDestination } from "../mesh-identities-fixture.ts";
import { startOutboundSide } from "../outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "../raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** A client's sidecar and a server's, with mutual TLS between them and this application behind. */
async function startPair(onConnection: (socket: Socket) => void) {
  const applicationPort = await listen(cleanup, onConnection);
  const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort });
  const outbound = await startOutboundSide(cleanup, { destination: meshDestination([inbound.port]) });
  return { inbound, outbound, client: connectClient(cleanup, outbound.port) };
}

describe("half-close", () => {
  it("what the application sends after the client's FIN arrives, through two sidecars", async () => {
    const { client } = await startPair((socket) => {
      socket.resume();
      socket.on("end", () => socket.end("after your end"));
    });
    client.end("question");
    expect(await readAll(client)).toEqual({ text: "after your end", reset: false });
  });

  it("what the client sends after the application's FIN arrives, through two sidecars", async () => {
    let heard: Promise<unknown> = Promise.resolve();
    const { client } = await startPair((socket) => {
      socket.end("early end");
      heard = readAll(socket);
    });
    expect(await readAll(client)).toEqual({ text: "early end", reset: false });
    client.end("still talking");
    expect(await heard).toEqual({ text: "still talking", reset: false });
  });
});

describe("aborts", () => {
  it("a reset by the application reaches the client as a reset, not as a FIN", async () => {
    const { client } = await startPair((socket) => {
      socket.once("data", () => socket.resetAndDestroy());
    });
    client.write("half a request");
    expect((await readAll(client)).reset).toBe(true);
  });

  it("a reset by the client reaches the application as a reset", async () => {
    let resolve: (message: string) => void = () => undefined;
    const heard = new Promise<string>((settle) => {
      resolve = settle;
    });
    const { client } = await startPair((socket) => {
      socket.on("error", (error) => resolve(error.message));
      socket.on("end", () => resolve("end"));
      socket.once("data", () => client.resetAndDestroy());
    });
    client.write("half an upload");
    expect(await heard).toContain("ECONNRESET");
  });

  it("nothing stays open once both ends are closed", async () => {
    const { client, inbound, outbound } = await startPair((socket) => socket.pipe(socket));
    client.end("x");
    await readAll(client);
    await expect.poll(() => [inbound.registry.size, outbound.registry.size]).toEqual([0, 0]);
    expect(inbound.caps.unproved.size).toBe(0);
  });
});

describe("large streams", () => {
  it("16 MiB arrive completely in both directions at once", async () => {
    const { client } = await startPair((socket) => socket.pipe(socket));
    const sent = createHash("sha256");
    const received = createHash("sha256");
    client.on("data", (chunk: Buffer) => received.update(chunk));
    for (let part = 0; part < 256; part += 1) {
      const chunk = randomBytes(65_536);
      sent.update(chunk);
      if (!client.write(chunk)) await once(client, "drain");
    }
    client.end();
    await once(client, "end");
    expect(received.digest("hex")).toBe(sent.digest("hex"));
  });

  it("a reader that does not read pauses the writer", async () => {
    let accepted = 0;
    const { client, outbound } = await startPair((socket) => {
      accepted += 1;
      if (accepted === 1) socket.pause();
      else socket.resume().once("end", () => socket.end("all of it"));
    });
    const bytes = Buffer.alloc(32 << 20);
    client.write(bytes);
    await expect.poll(() => accepted).toBe(1);
    // In the time of another client's 32 MB, an unbounded sidecar would also read the first client's.
    const other = connectClient(cleanup, outbound.port);
    other.end(bytes);
    expect((await readAll(other)).text).toBe("all of it");
    // Kernel buffers and two sidecars' stream buffers take some megabytes, so the write is not done.
    expect(client.writableLength).toBe(bytes.length);
  });
});

describe("endpoints", () => {
  it("a connection refused by one endpoint goes to another", async () => {
    const applicationPort = await listen(cleanup, (socket) => socket.pipe(socket));
    const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort });
    const destination = meshDestination([await findFreePort(), inbound.port]);
    const outbound = await startOutboundSide(cleanup, { destination });
    const client = connectClient(cleanup, outbound.port);
    client.end("ping");
    expect((await readAll(client)).text).toBe("ping");
  });

  it("an endpoint with an identity that the destination does not allow is skipped", async () => {
    const impostor = await listen(cleanup, (socket) => socket.end("not TLS at all"));
    const applicationPort = await listen(cleanup, (socket) => socket.pipe(socket));
    const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort });
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([impostor, inbound.port]) });
    const client = connectClient(cleanup, outbound.port);
    client.end("ping");
    expect((await readAll(client)).text).toBe("ping");
  });

  it("a plaintext server never receives plaintext if the rule requires mutual TLS", async () => {
    let heard = "";
    const plain = await listen(cleanup, (socket) => {
      socket.on("data", (chunk: Buffer) => {
        heard += chunk.toString("latin1");
        socket.destroy();
      });
    });
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([plain]) });
    const client = connectClient(cleanup, outbound.port);
    client.end("secret words");
    expect((await readAll(client)).reset).toBe(true);
    expect(heard).not.toContain("secret");
    expect((await outbound.recorder.nextRefusal()).reason).toBe("handshake_failed");
  });

  it.each([
    { name: "no endpoint", destination: meshDestination([]), reason: "no_healthy_endpoint" },
    {
      name: "no identity that an endpoint may have",
      destination: meshDestination([1], { identities: [] }),
      reason: "connect_failed",
    },
    {
      name: "a refusal",
      destination: { kind: "refused", reason: "DestinationRule/x.y wants SIMPLE" } as const,
      reason: "refused_destination",
    },
  ])("a destination with $name is reset with the reason", async ({ destination, reason }) => {
    const outbound = await startOutboundSide(cleanup, { destination });
    const client = connectClient(cleanup, outbound.port);
    expect((await readAll(client)).reset).toBe(true);
    expect((await outbound.recorder.nextRefusal()).reason).toBe(reason);
  });

  it("a server is refused when the destination allows no identity", async () => {
    const applicationPort = await listen(cleanup, (socket) => socket.pipe(socket));
    const inbound = await startInboundSide(cleanup, { mode: "STRICT", applicationPort });
    const destination = meshDestination([inbound.port], { identities: [] });
    const outbound = await startOutboundSide(cleanup, { destination });
    const client = connectClient(cleanup, outbound.port);
    client.end("secret");
    expect(await readAll(client)).toEqual({ text: "", reset: true });
    expect((await outbound.recorder.nextRefusal()).reason).toBe("unexpected_identity");
  });

  it("a new destination is refused with a reason when the control plane does not respond", async () => {
    const outbound = await startOutboundSide(cleanup, { destination: undefined, resolveTimeoutMs: 30 });
    const client = connectClient(cleanup, outbound.port);
    expect((await readAll(client)).reset).toBe(true);
    expect((await outbound.recorder.nextRefusal()).reason).toBe("control_plane_away");
  });

  it("an address outside the mesh is passed through unchanged", async () => {
    const originalPort = await listen(cleanup, (socket) => socket.pipe(socket));
    const outbound = await startOutboundSide(cleanup, { destination: { kind: "passthrough" }, originalPort });
    const client = connectClient(cleanup, outbound.port);
    client.end("to the world");
    expect((await readAll(client)).text).toBe("to the world");
  });
});

describe("a rule that changes", () => {
  it("cuts plaintext to an endpoint that now requires mutual TLS", async () => {
    const plain = await listen(cleanup, (socket) => socket.pipe(socket));
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([plain], { mutualTls: false }) });
    const client = connectClient(cleanup, outbound.port);
    client.write("x");
    await once(client, "data");
    outbound.setDestination(meshDestination([plain], { mutualTls: true }));
    expect((await readAll(client)).reset).toBe(true);
    expect(outbound.recorder.cuts).toEqual(["policy_changed"]);
  });

  it("keeps a connection to an endpoint that is no longer listed, so that it can drain", async () => {
    const plain = await listen(cleanup, (socket) => socket.pipe(socket));
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([plain], { mutualTls: false }) });
    const client = connectClient(cleanup, outbound.port);
    client.write("x");
    await once(client, "data");
    outbound.setDestination(meshDestination([]));
    client.end("y");
    expect(await readAll(client)).toEqual({ text: "y", reset: false });
  });
});
