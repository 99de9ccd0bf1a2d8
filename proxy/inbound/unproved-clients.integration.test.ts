import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { connectClient, readAll } from "../raw-sockets-fixture.ts";
import { clientHelloWithoutAlpn } from "./client-hello-fixture.ts";
import { pingThroughSidecar, startEchoSide } from "./echo-application-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe("unverified clients", () => {
  it.each([
    { name: "silence", bytes: Buffer.alloc(0) },
    { name: "one byte of a ClientHello", bytes: Buffer.from([0x16]) },
    { name: "half a ClientHello", bytes: Buffer.from("160301020001", "hex") },
  ])("$name is cut at the handshake's time limit", async ({ bytes }) => {
    const { side, echo } = await startEchoSide(cleanup, "STRICT", { limits: { handshakeTimeoutMs: 80 } });
    const client = connectClient(cleanup, side.port);
    client.write(bytes);
    expect((await readAll(client)).reset).toBe(true);
    expect((await side.recorder.nextRefusal()).reason).toBe("handshake_timeout");
    expect(echo.connections()).toBe(0);
    expect(side.caps.unproved.size).toBe(0);
  });

  it.each([
    { name: "a handshake record that is not a ClientHello", bytes: "160301000502000001ff" },
    { name: "a record longer than TLS allows", bytes: "1603017fff01" },
    { name: "a ClientHello of noise", bytes: `1603010040${"01".padEnd(128, "a5")}` },
  ])("$name is also refused under PERMISSIVE", async ({ bytes }) => {
    const { side, echo } = await startEchoSide(cleanup, "PERMISSIVE");
    const client = connectClient(cleanup, side.port);
    client.write(Buffer.from(bytes, "hex"));
    await readAll(client);
    expect((await side.recorder.nextRefusal()).stage).toBe("handshake");
    expect(echo.connections()).toBe(0);
  });

  it("silent connections above the cap displace the oldest of their kind, and a real client is admitted", async () => {
    const { side } = await startEchoSide(cleanup, "STRICT", { openingLimit: 20 });
    const silent = await Promise.all(
      Array.from({ length: 60 }, async () => {
        const socket = connectClient(cleanup, side.port);
        await once(socket, "connect");
        return socket;
      }),
    );
    expect(await pingThroughSidecar(cleanup, side)).toEqual({ text: "ping", reset: false });
    expect(side.caps.unproved.size).toBeLessThanOrEqual(20);
    expect(side.recorder.refusals.every(({ reason }) => reason === "too_many_pending")).toBe(true);
    for (const socket of silent) socket.destroy();
  });
});

describe("floods", () => {
  it("from one address do not displace the client of another one that waits longer", async () => {
    const { side } = await startEchoSide(cleanup, "STRICT", { openingLimit: 20 });
    const waiting = connect({ port: side.port, host: "127.0.0.1", localAddress: "127.0.0.2" });
    cleanup.addSocket(waiting.resume());
    await once(waiting, "connect");
    await expect.poll(() => side.caps.unproved.size).toBe(1);
    for (let count = 0; count < 40; count += 1) connectClient(cleanup, side.port);
    await expect.poll(() => side.recorder.refusals.length).toBe(21);
    expect(waiting.readableEnded || waiting.closed).toBe(false);
    expect(side.caps.unproved.size).toBe(20);
  });

  it("2,000 idle connections do not keep a real client out, and leave nothing behind", async () => {
    const { side } = await startEchoSide(cleanup, "STRICT", { openingLimit: 256 });
    const idle: Socket[] = [];
    for (let batch = 0; batch < 20; batch += 1) {
      const opened = Array.from({ length: 100 }, () => connectClient(cleanup, side.port));
      await Promise.all(opened.map((socket) => once(socket, "connect")));
      idle.push(...opened);
    }
    expect(await pingThroughSidecar(cleanup, side)).toEqual({ text: "ping", reset: false });
    expect(side.caps.unproved.size).toBeLessThanOrEqual(256);
    for (const socket of idle) socket.destroy();
    await expect.poll(() => side.caps.unproved.size).toBe(0);
    await expect.poll(() => side.registry.size).toBe(0);
  });

  it("a ClientHello of 64 KB over many records is refused within the time limit", async () => {
    const { side, echo } = await startEchoSide(cleanup, "PERMISSIVE", { limits: { handshakeTimeoutMs: 500 } });
    const client = connectClient(cleanup, side.port);
    const record = Buffer.concat([Buffer.from("1603014000", "hex"), Buffer.alloc(16_384, 1)]);
    client.write(Buffer.concat([record, record, record, record]));
    await readAll(client);
    expect((await side.recorder.nextRefusal()).stage).toBe("handshake");
    expect(echo.connections()).toBe(0);
    expect(side.caps.unproved.size).toBe(0);
  });

  it("an honest client that sends one byte at a time is served", async () => {
    const { side } = await startEchoSide(cleanup, "PERMISSIVE");
    const hello = clientHelloWithoutAlpn();
    const client = connectClient(cleanup, side.port);
    client.setNoDelay(true);
    for (const byte of hello) {
      client.write(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.end();
    expect((await readAll(client)).text).toBe(hello.toString("latin1"));
  });
});
