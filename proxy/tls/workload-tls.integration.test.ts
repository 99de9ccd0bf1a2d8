import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { constants } from "node:http2";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Inbound } from "../../mesh/policy/types.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startFastClock } from "../../net/fast-clock-fixture.ts";
import { ControlPlaneFixture, HELLO } from "./control-plane/control-plane-fixture.ts";
import { meshOf } from "./control-plane/hello-mesh-fixture.ts";
import { Heard, startRelay } from "./control-plane/stream-fixture.ts";
import type { SecureMaterial } from "./secure-context-source.ts";
import { startWorkloadTls, type WorkloadTls } from "./workload-tls.ts";

const cleanup = new Cleanup();
let plane: ControlPlaneFixture;
let log: RecordingLogger;

beforeEach(() => {
  log = new RecordingLogger();
});

afterEach(async () => {
  await cleanup.run();
  await plane.dispose();
});

async function start(
  overrides: { readonly address?: string; readonly pingIntervalMs?: number } = {},
): Promise<WorkloadTls> {
  const tls = await startWorkloadTls({
    ...plane.workloadOptions(),
    // The shortest waits.
    random: () => 0,
    log,
    ...overrides,
  });
  cleanup.add(() => tls.close());
  return tls;
}

const hasMode = (mode: string) => (inbound: Inbound) => inbound.defaultMode.mode === mode;

function watchInbound(tls: WorkloadTls): Heard<Inbound> {
  const heard = new Heard<Inbound>();
  tls.discovery.watchInbound(heard.listener);
  return heard;
}

describe("startWorkloadTls", () => {
  it("gets a certificate, then receives the trust bundle, its policy and destinations, and their changes", async () => {
    plane = await ControlPlaneFixture.start();
    const tls = await start();
    const inbound = watchInbound(tls);
    const destinations = new Heard<string>();
    tls.discovery.watchDestination({ kind: "address", ip: "192.0.2.1", port: 80 }, ({ kind }) =>
      destinations.listener(kind),
    );
    await inbound.until(hasMode("STRICT"));
    await destinations.until((kind) => kind === "passthrough");
    expect(tls.svid.readiness()).toEqual({ ready: true });
    expect(tls.source.current()?.identity).toBe(HELLO);
    expect(tls.discovery.isConnected()).toBe(true);
    plane.change(meshOf("PERMISSIVE"));
    await inbound.until(hasMode("PERMISSIVE"));
    expect([...plane.sessions.values()]).toEqual([tls.source.current()?.certificates[0]?.serialNumber]);
  });

  it("continues without the control plane, and receives only differences once it is back", async () => {
    plane = await ControlPlaneFixture.start();
    const tls = await start();
    const inbound = watchInbound(tls);
    await inbound.until(hasMode("STRICT"));
    const connection = new Heard<boolean>();
    tls.discovery.onConnection(connection.listener);
    await plane.stop();
    await connection.until((connected) => !connected);
    expect(tls.source.current()).toBeDefined();
    await plane.listen();
    await connection.until((connected) => connected);
    plane.change(meshOf("DISABLE"));
    await inbound.until(hasMode("DISABLE"));
    expect(inbound.values.map(({ defaultMode }) => defaultMode.mode)).toEqual(["STRICT", "DISABLE"]);
  });

  it("moves its streams to a connection with the new certificate, and misses nothing", async () => {
    plane = await ControlPlaneFixture.start({ lifetimeMs: 4000, clock: startFastClock(cleanup) });
    const tls = await start();
    const inbound = watchInbound(tls);
    await inbound.until(hasMode("STRICT"));
    const connection = new Heard<boolean>();
    tls.discovery.onConnection(connection.listener);
    const materials = new Heard<SecureMaterial>();
    tls.source.subscribe(materials.listener);
    const shown = new Set([...plane.sessions.values()]);
    for (let rotations = 1; rotations <= 3; rotations += 1) {
      await materials.until(({ generation }) => generation >= 1 + rotations);
      const mode = rotations % 2 === 0 ? "STRICT" : "DISABLE";
      const before = inbound.values.length;
      plane.change(meshOf(mode));
      while (inbound.values.length === before) await inbound.until(() => inbound.values.length > before);
      for (const serial of plane.sessions.values()) shown.add(serial);
    }
    expect(inbound.values.map(({ defaultMode }) => defaultMode.mode)).toEqual([
      "STRICT",
      "DISABLE",
      "STRICT",
      "DISABLE",
    ]);
    expect(shown.size).toBeGreaterThan(1);
    expect(connection.values).toEqual([]);
  });

  it("carries everything in one stream, and acknowledges it", async () => {
    plane = await ControlPlaneFixture.start();
    const tls = await start();
    const destinations = new Heard<string>();
    for (let port = 1; port <= 500; port += 1) {
      tls.discovery.watchDestination({ kind: "address", ip: "192.0.2.1", port }, ({ kind }) =>
        destinations.listener(kind),
      );
    }
    const inbound = watchInbound(tls);
    await inbound.until(hasMode("STRICT"));
    await destinations.until(() => destinations.values.length === 500);
    const resources = () => plane.proxies()[0]?.resources.map(({ kind, count, state }) => [kind, count, state]);
    await expect.poll(resources).toEqual(
      expect.arrayContaining([
        ["trust bundle", 1, "synced"],
        ["inbound", 1, "synced"],
        ["destination", 500, "synced"],
      ]),
    );
    expect(plane.proxies().map(({ pod, version }) => [pod, version])).toEqual([["hello-1", "test"]]);
  });

  it("keeps a value that it cannot use out, tells the control plane why, and accepts the next one", async () => {
    plane = await ControlPlaneFixture.start();
    const tls = await start();
    const heard = new Heard<string>();
    tls.discovery.watchInbound(({ defaultMode: { mode } }) => {
      if (mode === "PERMISSIVE") throw new Error("no such mode here");
      heard.listener(mode);
    });
    await heard.until((mode) => mode === "STRICT");
    plane.change(meshOf("PERMISSIVE"));
    await expect
      .poll(() => plane.proxies()[0]?.rejections)
      .toEqual([{ resource: "inbound", reason: expect.stringContaining("no such mode here") }]);
    plane.change(meshOf("DISABLE"));
    await heard.until((mode) => mode === "DISABLE");
    await expect.poll(() => plane.proxies()[0]?.rejections).toEqual([]);
    expect(heard.values).toEqual(["STRICT", "DISABLE"]);
  });

  it("reopens one refused stream, without closing the connection", async () => {
    plane = await ControlPlaneFixture.start();
    plane.change(meshOf("STRICT", POD_OF_ANOTHER));
    const tls = await start();
    const inbound = watchInbound(tls);
    await log.seen("may not request its configuration");
    expect(tls.discovery.isConnected()).toBe(true);
    expect(log.find("is lost")).toEqual([]);
    plane.change(meshOf("STRICT"));
    await inbound.until(hasMode("STRICT"));
  });

  it("leaves a connection on which every stream is reset", async () => {
    plane = await ControlPlaneFixture.start();
    const inbound = watchInbound(await start());
    await inbound.until(hasMode("STRICT"));
    for (const session of plane.sessions.keys()) {
      session.on("stream", (stream) => stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM));
    }
    plane.change(meshOf("STRICT", POD_OF_ANOTHER));
    await log.seen("the discovery stream has ended");
    plane.change(meshOf("PERMISSIVE"));
    await inbound.until(hasMode("PERMISSIVE"));
  });

  it("notices a control plane that vanishes silently", async () => {
    plane = await ControlPlaneFixture.start();
    const relay = await startRelay(plane.address);
    cleanup.add(() => relay.close());
    const tls = await start({ address: relay.address, pingIntervalMs: 100 });
    const inbound = watchInbound(tls);
    await inbound.until(hasMode("STRICT"));
    const connection = new Heard<boolean>();
    tls.discovery.onConnection(connection.listener);
    relay.freeze();
    await connection.until((connected) => !connected);
    await log.seen("no response to a ping within 100 ms");
    relay.thaw();
    await connection.until((connected) => connected);
    plane.change(meshOf("DISABLE"));
    await inbound.until(hasMode("DISABLE"));
  });

  it("moves away in time from a control plane that announces its shutdown", async () => {
    plane = await ControlPlaneFixture.start();
    const tls = await start();
    const inbound = watchInbound(tls);
    await inbound.until(hasMode("STRICT"));
    const connection = new Heard<boolean>();
    tls.discovery.onConnection(connection.listener);
    const old = [...plane.sessions.keys()];
    const left = old.map((session) => once(session, "close"));
    for (const session of old) session.goaway();
    await Promise.all(left);
    plane.change(meshOf("DISABLE"));
    await inbound.until(hasMode("DISABLE"));
    expect(connection.values).toEqual([]);
    expect(plane.sessions.size).toBe(1);
  });

  it("recovers by itself after the mesh's root was replaced", async () => {
    const clock = startFastClock(cleanup);
    plane = await ControlPlaneFixture.start({ lifetimeMs: 4000, clock });
    const tls = await start();
    await watchInbound(tls).until(hasMode("STRICT"));
    await plane.stop();
    const second = await ControlPlaneFixture.start({ lifetimeMs: 4000, port: plane.port, clock });
    await writeFile(plane.rootFile, second.authority.roots().join(""));
    const first = plane;
    plane = second;
    cleanup.add(() => void first.dispose());
    const materials = new Heard<SecureMaterial>();
    tls.source.subscribe(materials.listener);
    const root = second.authority.roots().join("");
    const renewed = await materials.until(({ trust }) => trust.roots.join("") === root);
    expect(renewed.identity).toBe(HELLO);
  });

  it("reports why there is no certificate, and gets one once the token is valid", async () => {
    plane = await ControlPlaneFixture.start();
    await writeFile(plane.tokenFile, "expired-token");
    const tls = await start();
    await log.seen("no new certificate");
    expect(tls.svid.readiness()).toMatchObject({ ready: false, reason: expect.stringContaining("unauthenticated") });
    expect(tls.source.current()).toBeUndefined();
    await writeFile(plane.tokenFile, "good-token");
    await log.seen("connected to the control plane");
    expect(tls.svid.readiness()).toEqual({ ready: true });
  });

  it("does not start without a root file", async () => {
    plane = await ControlPlaneFixture.start();
    await rm(plane.rootFile);
    await expect(start()).rejects.toThrow(/root_file: .*root-cert\.pem does not exist/);
  });

  it("leaves no connection behind when it is closed, nor when a watch is", async () => {
    plane = await ControlPlaneFixture.start();
    const tls = await start();
    const heard = new Heard<Inbound>();
    const watch = tls.discovery.watchInbound(heard.listener);
    await heard.until(hasMode("STRICT"));
    watch.close();
    plane.change(meshOf("DISABLE"));
    const other = watchInbound(tls);
    await other.until(hasMode("DISABLE"));
    expect(heard.values).toHaveLength(1);
    const closed = [...plane.sessions.keys()].map((session) => once(session, "close"));
    tls.close();
    await Promise.all(closed);
    expect(plane.sessions.size).toBe(0);
  });
});

const POD_OF_ANOTHER = `
apiVersion: v1
kind: Pod
metadata: { name: hello-1, namespace: ns1 }
spec: { serviceAccountName: another, containers: [] }
status: { podIP: 10.0.0.7 }
`;
