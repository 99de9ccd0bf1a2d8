import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { Socket } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { listen as listenHttp, sendRaw } from "../../net/raw-client-fixture.ts";
import { SHORT_LIMITS } from "../data-plane-fixture.ts";
import { startInboundSide } from "../inbound-side-fixture.ts";
import { meshDestination } from "../mesh-identities-fixture.ts";
import { startOutboundSide } from "../outbound-side-fixture.ts";
import { connectClient, listen, readAll } from "../raw-sockets-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function startEcho(): Promise<number> {
  return await listen(cleanup, (socket) => socket.pipe(socket));
}

/** An application that accepts nothing: when its backlog is full, the kernel drops SYNs. */
async function startStalledApplication(): Promise<number> {
  const program = `
    const server = require("node:net").createServer();
    server.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => {
      require("node:fs").writeSync(1, server.address().port + "\\n");
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 60_000);
    });`;
  const child = spawn(process.execPath, ["--eval", program], { stdio: ["ignore", "pipe", "inherit"] });
  cleanup.add(() => void child.kill("SIGKILL"));
  const [line] = await once(createInterface({ input: child.stdout }), "line");
  return Number(line);
}

/** Connections of this process that are being dialled. */
function countDials(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "ConnectWrap").length;
}

async function openSilent(port: number, count: number): Promise<readonly Socket[]> {
  const clients = Array.from({ length: count }, () => connectClient(cleanup, port));
  await Promise.all(
    clients.map(
      (client) =>
        new Promise((resolve) => {
          client.once("connect", resolve);
          client.once("close", resolve);
        }),
    ),
  );
  return clients;
}

async function echo(port: number, text: string): Promise<string> {
  const client = connectClient(cleanup, port);
  client.end(text);
  return (await readAll(client)).text;
}

describe("clients that stay silent", () => {
  it.each(["PERMISSIVE", "DISABLE"] as const)("are in the registry from accept on under %s", async (mode) => {
    const side = await startInboundSide(cleanup, { mode, applicationPort: await startEcho() });
    await openSilent(side.port, 5);
    await expect.poll(() => side.registry.list().filter(({ stage }) => stage === "waiting").length).toBe(5);
    expect(side.registry.list()[0]).toMatchObject({ direction: "inbound", peer: undefined });
    expect(side.caps.plaintext.size).toBe(5);
  });

  it.each(["PERMISSIVE", "DISABLE"] as const)(
    "displace the oldest of their kind under %s, and others are served",
    async (mode) => {
      const side = await startInboundSide(cleanup, { mode, applicationPort: await startEcho(), openingLimit: 10 });
      const clients = await openSilent(side.port, 60);
      await expect.poll(() => side.caps.plaintext.size).toBe(10);
      await expect.poll(() => side.registry.size).toBe(10);
      expect(await echo(side.port, "hello")).toBe("hello");
      const reasons = new Set(side.recorder.refusals.map(({ reason }) => reason));
      expect([...reasons].every((reason) => reason === "too_many_silent" || reason === "too_many_pending")).toBe(true);
      for (const client of clients) client.destroy();
      await expect.poll(() => side.registry.size).toBe(0);
      expect(side.caps.plaintext.size).toBe(0);
    },
  );

  it("leave no dial to an application that accepts nothing when they are displaced", async () => {
    const applicationPort = await startStalledApplication();
    const options = {
      mode: "DISABLE",
      applicationPort,
      openingLimit: 10,
      limits: { connectTimeoutMs: 60_000 },
    } as const;
    const side = await startInboundSide(cleanup, options);
    await openSilent(side.port, 60);
    await expect.poll(() => side.registry.size).toBe(10);
    await expect.poll(countDials).toBeLessThanOrEqual(10);
  });

  it("are ended when their time is over", async () => {
    const limits = { silenceTimeoutMs: 60 };
    const side = await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort: await startEcho(), limits });
    const client = connectClient(cleanup, side.port);
    expect((await readAll(client)).reset).toBe(true);
    expect(side.recorder.refusals).toMatchObject([{ reason: "silence_timeout" }]);
    await expect.poll(() => side.registry.size).toBe(0);
  });

  it("are not closed once something was delivered", async () => {
    const clock = new FakeClock();
    const side = await startInboundSide(cleanup, { mode: "PERMISSIVE", applicationPort: await startEcho(), clock });
    const client = connectClient(cleanup, side.port);
    client.write("\0first");
    await once(client, "data");
    await clock.advance(2 * SHORT_LIMITS.silenceTimeoutMs);
    client.end("last");
    expect((await readAll(client)).text).toBe("last");
  });

  it("do not displace silent verified peers", async () => {
    const side = await startInboundSide(cleanup, {
      mode: "PERMISSIVE",
      applicationPort: await startEcho(),
      openingLimit: 10,
    });
    const outbound = await startOutboundSide(cleanup, { destination: meshDestination([side.port]) });
    const peer = connectClient(cleanup, outbound.port);
    await expect.poll(() => side.caps.verified.size).toBe(1);
    await openSilent(side.port, 60);
    await expect.poll(() => side.caps.plaintext.size).toBe(10);
    expect(side.caps.verified.size).toBe(1);
    peer.end("hello");
    expect((await readAll(peer)).text).toBe("hello");
  });
});

describe("clients of an HTTP port that send a part of a request's head", () => {
  it.each(["G", "GET / HTTP/1.1\r\nHost: a\r\n"])("make room for others: %j", async (said) => {
    const application = createServer((_request, response) => response.end("served"));
    const applicationPort = await listenHttp(cleanup, application);
    const options = { mode: "PERMISSIVE", protocol: "http", applicationPort, maxConnections: 10 } as const;
    const side = await startInboundSide(cleanup, options);
    for (const client of await openSilent(side.port, 40)) client.write(said);
    await expect.poll(() => side.registry.size).toBe(10);
    expect(await sendRaw(cleanup, side.port, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).toContain(
      "served",
    );
    expect(side.registry.size).toBeLessThanOrEqual(10);
  });
});

interface Held {
  readonly descriptors: number;
  readonly connections: number;
  readonly silent: number;
}

interface LimitedSidecar {
  readonly inbound: number;
  readonly outbound: number;
  readonly readiness: number;
  readonly held: () => Promise<Held>;
  readonly process: ChildProcess;
}

/** A sidecar with exactly this limit of descriptors. */
async function startLimitedSidecar(maxDescriptors: number, applicationPort: number): Promise<LimitedSidecar> {
  const program = fileURLToPath(new URL("../limited-sidecar-fixture.ts", import.meta.url));
  const command = `ulimit -n ${maxDescriptors} && exec "$0" "$1" "$2"`;
  const child = spawn("sh", ["-c", command, process.execPath, program, String(applicationPort)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  cleanup.add(() => child.kill("SIGKILL"));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value ?? "{}");
  const ports = await next();
  const held = async (): Promise<Held> => {
    child.stdin.write("\n");
    return await next();
  };
  return { ...ports, held, process: child };
}

async function isReady(port: number): Promise<boolean> {
  const response = await fetch(`http://127.0.0.1:${port}/healthz/ready`, { headers: { connection: "close" } });
  return response.status === 200;
}

describe("a sidecar with 450 descriptors", () => {
  it.each([
    { name: "silent clients", said: "" },
    { name: "clients that send the start of a line", said: "G" },
    { name: "clients whose bytes are forwarded", said: "\0" },
  ])("serves readiness, the outbound side and others through a flood of $name", async ({ said }) => {
    const sidecar = await startLimitedSidecar(450, await startEcho());
    expect(await echo(sidecar.inbound, "warm")).toBe("warm");
    const before = await sidecar.held();
    const clients: Socket[] = [];
    for (let batch = 0; batch < 10; batch += 1) {
      clients.push(...(await openSilent(sidecar.inbound, 100)));
      if (said !== "") for (const client of clients.slice(-100)) client.write(said);
      expect(await isReady(sidecar.readiness)).toBe(true);
      expect(await echo(sidecar.outbound, "out")).toBe("out");
      // No text: the beginning of a line would be held, and give way to the silent clients once it is the oldest.
      if (said === "") expect(await echo(sidecar.inbound, "\0in")).toBe("\0in");
    }
    const during = await sidecar.held();
    expect(during.descriptors).toBeLessThan(400);
    expect(during.connections).toBeGreaterThan(0);
    expect(sidecar.process.exitCode).toBe(null);
    for (const client of clients) client.destroy();
    await expect.poll(async () => (await sidecar.held()).connections).toBe(0);
    await expect.poll(async () => (await sidecar.held()).descriptors).toBeLessThanOrEqual(before.descriptors + 5);
    expect(await echo(sidecar.inbound, "after")).toBe("after");
  });
});

describe("a sidecar without any descriptor left", () => {
  it("survives, and serves again as soon as there are some", async () => {
    const sidecar = await startLimitedSidecar(48, await startEcho());
    const clients: Socket[] = [];
    const ports = [sidecar.inbound, sidecar.outbound, sidecar.readiness];
    for (const port of [...ports, ...ports]) clients.push(...(await openSilent(port, 60)));
    for (const client of clients) client.write("\0");
    await expect.poll(() => clients.some((client) => client.destroyed)).toBe(true);
    expect(sidecar.process.exitCode).toBe(null);
    for (const client of clients) client.destroy();
    await expect.poll(async () => (await sidecar.held()).connections).toBe(0);
    expect(await echo(sidecar.inbound, "in")).toBe("in");
    expect(await echo(sidecar.outbound, "out")).toBe("out");
    expect(await isReady(sidecar.readiness)).toBe(true);
  });
});
