import { EventEmitter, once } from "node:events";
import { connect, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { systemClock } from "../../mesh/runtime.ts";
import { ask, createRecordedLog } from "../../net/http-fixture.ts";
import { type LocalHttpServer, startLocalHttpServer } from "../../net/local-http-server.ts";
import { createScrapes, type Scrapes } from "../../net/metrics/scrapes.ts";
import { NetError } from "../../net/net-error.ts";
import { type Readiness, startMetricsServer, startReadinessServer, startStatusServer } from "./status-server.ts";

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function started(starting: Promise<LocalHttpServer>): Promise<number> {
  const server = await starting;
  cleanups.push(() => server.stop());
  return server.port;
}

function scrapesOf(text: string): Scrapes {
  const page = { pieces: [Buffer.from(text)], bytes: text.length };
  return createScrapes({
    source: { contentType: "text/plain; version=0.0.4", read: async () => page },
    clock: systemClock,
  });
}

const log = createRecordedLog();
const host = "127.0.0.1";

describe("the status server", () => {
  const calls: string[] = [];
  const start = (readiness: () => Readiness = () => ({ ready: true })) => {
    calls.length = 0;
    return started(
      startStatusServer({
        port: 0,
        host,
        log,
        readiness,
        metrics: scrapesOf("up 1\n"),
        probes: {
          run: async (path) => (path === "/app-health/web/livez" ? { status: 418, body: "" } : undefined),
        },
        onQuit: () => calls.push("quit"),
        onDrain: () => calls.push("drain"),
      }),
    );
  };

  it("reports readiness, with the reason if it is not ready", async () => {
    let readiness: Readiness = { ready: false, reason: "no certificate yet" };
    const port = await start(() => readiness);
    expect(await ask(port, { path: "/healthz/ready" })).toMatchObject({ status: 503, body: "no certificate yet\n" });
    readiness = { ready: true };
    expect(await ask(port, { path: "/healthz/ready" })).toMatchObject({ status: 200 });
  });

  it.each(["/stats/prometheus", "/metrics", "/metrics?format=prometheus"])("serves metrics at %s", async (path) => {
    const answer = await ask(await start(), { path });
    expect(answer).toMatchObject({ status: 200, body: "up 1\n" });
    expect(answer.headers["content-type"]).toBe("text/plain; version=0.0.4");
  });

  it("runs the application's probes, and only those declared", async () => {
    const port = await start();
    expect((await ask(port, { path: "/app-health/web/livez" })).status).toBe(418);
    expect((await ask(port, { path: "/app-health/web/readyz" })).status).toBe(404);
  });

  it.each([
    { path: "/quitquitquit", call: "quit" },
    { path: "/drain", call: "drain" },
  ])("accepts POST $path from inside the pod", async ({ path, call }) => {
    expect((await ask(await start(), { method: "POST", path })).status).toBe(200);
    expect(calls).toEqual([call]);
  });

  it.each([
    { name: "GET", options: {}, status: 405 },
    {
      name: "traffic that the proxy delivers for others",
      options: { method: "POST", localAddress: "127.0.0.6" },
      status: 403,
    },
    { name: "a browser", options: { method: "POST", headers: { origin: "http://attacker.example" } }, status: 403 },
  ])("does not accept a command from $name", async ({ options, status }) => {
    expect((await ask(await start(), { path: "/quitquitquit", ...options })).status).toBe(status);
    expect(calls).toEqual([]);
  });
});

describe("the readiness and metrics ports", () => {
  it("serve their one page and nothing else", async () => {
    const ready = await started(startReadinessServer({ port: 0, host, log, readiness: () => ({ ready: true }) }));
    const metrics = scrapesOf("up 1\n");
    const stats = await started(startMetricsServer({ port: 0, host, log, metrics }));
    expect((await ask(ready, { path: "/healthz/ready" })).status).toBe(200);
    expect((await ask(ready, { path: "/stats/prometheus" })).status).toBe(404);
    expect((await ask(ready, { path: "/quitquitquit", method: "POST" })).status).toBe(404);
    expect((await ask(stats, { path: "/stats/prometheus" })).body).toBe("up 1\n");
    expect((await ask(stats, { path: "/healthz/ready" })).status).toBe(404);
  });
});

describe("every local HTTP server", () => {
  it("names the port and the fix when the port is in use", async () => {
    const port = await started(startReadinessServer({ port: 0, host, log, readiness: () => ({ ready: true }) }));
    const second = startReadinessServer({ port, host, log, readiness: () => ({ ready: true }) });
    await expect(second).rejects.toThrow(NetError);
    await expect(second).rejects.toMatchObject({ code: "port_in_use", details: { port } });
    await expect(second).rejects.toThrow(`port ${port} is in use: stop what listens there`);
  });

  it("closes the connection on garbage and continues", async () => {
    const port = await started(startReadinessServer({ port: 0, host, log, readiness: () => ({ ready: true }) }));
    for (const garbage of [
      "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
      "\0".repeat(100),
      `GET / HTTP/1.1\r\n${"a".repeat(9000)}`,
    ]) {
      const socket = await dial(port);
      socket.write(Buffer.from(garbage, "latin1"));
      await once(socket, "close");
    }
    expect((await ask(port, { path: "/healthz/ready" })).status).toBe(200);
  });

  it("hides a failure from the client and logs it", async () => {
    const recorded = createRecordedLog();
    const respond = (): never => {
      throw new Error("secret detail");
    };
    const port = await started(startLocalHttpServer({ port: 0, host, log: recorded, respond }));
    expect(await ask(port)).toMatchObject({ status: 500, body: "internal error\n" });
    expect(recorded.lines).toMatchObject([{ level: "error", message: expect.stringContaining("secret detail") }]);
  });

  it("serves a probe although silent connections fill it", async () => {
    const respond = () => ({ status: 200, body: "" });
    const port = await started(startLocalHttpServer({ port: 0, host, log, respond, maxConnections: 4 }));
    const silent = await Promise.all(Array.from({ length: 12 }, () => dial(port)));
    const closed = silent.slice(0, 9).map((socket) => (socket.destroyed ? undefined : once(socket, "close")));
    expect((await ask(port)).status).toBe(200);
    await Promise.all(closed);
    // The header timeout would have closed these, too: the new connection made room.
    expect(silent.slice(9).map(({ destroyed }) => destroyed)).toEqual([false, false, false]);
  });

  it("finishes a response in progress when it stops", async () => {
    const gate = new EventEmitter();
    const respond = async () => {
      gate.emit("arrived");
      await once(gate, "released");
      return { status: 200, body: "done" };
    };
    const server = await startLocalHttpServer({ port: 0, host, log, respond });
    const arrived = once(gate, "arrived");
    const answer = ask(server.port);
    await arrived;
    const stopped = server.stop();
    gate.emit("released");
    expect((await answer).body).toBe("done");
    await stopped;
  });
});

async function dial(port: number): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  socket.resume();
  cleanups.push(() => socket.destroy());
  await once(socket, "connect");
  return socket;
}
