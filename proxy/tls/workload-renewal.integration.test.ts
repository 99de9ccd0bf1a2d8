import { readFile, writeFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { createProxyMetrics, type ScrapedMetrics } from "../telemetry/proxy-metrics.ts";
import { ControlPlaneFixture } from "./control-plane/control-plane-fixture.ts";
import { startWorkloadTls, type WorkloadTls } from "./workload-tls.ts";

let plane: ControlPlaneFixture;
let tls: WorkloadTls | undefined;
let log: RecordingLogger;
let metrics: ScrapedMetrics;

beforeEach(() => {
  log = new RecordingLogger();
  metrics = createProxyMetrics({ clock: systemClock });
});

afterEach(async () => {
  tls?.close();
  await plane.dispose();
});

async function start(): Promise<WorkloadTls> {
  tls = await startWorkloadTls({ ...plane.workloadOptions(), log, random: Math.random, meter: metrics.agent });
  return tls;
}

/** Watches the certificate for a while. @returns how often there was none, and how many there were */
async function watch({ source }: WorkloadTls, forMs: number) {
  const serials = new Set<string | undefined>();
  const endMs = Date.now() + forMs;
  while (Date.now() < endMs) {
    serials.add(source.current()?.certificates[0]?.serialNumber);
    await delay(10);
  }
  return { lapsed: serials.delete(undefined), certificates: serials.size };
}

describe("a sidecar with certificates of seconds", () => {
  it("keeps a valid one for more than two lifetimes with an expired token, and uses the token once it is renewed", async () => {
    plane = await ControlPlaneFixture.start({ lifetimeMs: 8000 });
    const sidecar = await start();
    await vi.waitFor(() => expect(sidecar.source.current()).toBeDefined());
    await writeFile(plane.tokenFile, "expired-token");
    const { lapsed, certificates } = await watch(sidecar, 20_000);
    expect(lapsed).toBe(false);
    expect(certificates).toBeGreaterThan(3);
    await writeFile(plane.tokenFile, "good-token-2");
    await vi.waitFor(() => expect(plane.tokens).toContain("good-token-2"), { timeout: 10_000 });
  }, 40_000);

  it("recovers within five seconds after its token is renewed, if its certificate has expired too", async () => {
    plane = await ControlPlaneFixture.start({ lifetimeMs: 3000 });
    const sidecar = await start();
    await vi.waitFor(() => expect(sidecar.source.current()).toBeDefined());
    await plane.stop();
    await writeFile(plane.tokenFile, "expired-token");
    await vi.waitFor(() => expect(sidecar.source.current()).toBeUndefined(), { timeout: 6000 });
    await plane.listen();
    await delay(1000);
    expect(sidecar.source.current()).toBeUndefined();
    await writeFile(plane.tokenFile, "good-token-2");
    await vi.waitFor(() => expect(sidecar.source.current()).toBeDefined(), { timeout: 6000 });
  }, 30_000);
});

describe("an unusable trust bundle", () => {
  it.each([
    { name: "that was emptied by mistake", roots: [], reason: /no root certificates/ },
    { name: "with a broken root beside a good one", roots: ["good", "broken"], reason: /no PEM certificate/ },
  ])("$name is refused whole, with an error, a metric and a report to the control plane", async ({ roots, reason }) => {
    plane = await ControlPlaneFixture.start();
    const sidecar = await start();
    const good = await readFile(plane.rootFile, "utf8");
    await vi.waitFor(() => expect(plane.proxies()[0]?.resources[0]).toMatchObject({ state: "synced" }));
    const before = sidecar.source.current();
    plane.roots.change(roots.map((root) => (root === "good" ? good : root)));
    await vi.waitFor(() => {
      expect(plane.proxies()[0]?.rejections).toEqual([
        { resource: "trust bundle", reason: expect.stringMatching(reason) },
      ]);
    });
    expect(sidecar.source.current()).toBe(before);
    expect(log.find("an invalid response was ignored, the last one stays in force")).toHaveLength(1);
    const page = Buffer.concat([...(await metrics.read()).pieces]).toString();
    expect(page).toContain('entente_control_plane_updates_rejected_total{resource="trust bundle"} 1');
    plane.roots.change([good]);
    await vi.waitFor(() => expect(plane.proxies()[0]?.rejections).toEqual([]));
  });

  it("names the root because of which it is refused, so that a rotation can go back", async () => {
    plane = await ControlPlaneFixture.start();
    const sidecar = await start();
    await vi.waitFor(() => expect(plane.proxies()[0]?.resources[0]).toMatchObject({ state: "synced" }));
    const good = await readFile(plane.rootFile, "utf8");
    const { certificates = [] } = sidecar.source.current() ?? {};
    // No authority, so no root.
    const [leaf] = certificates;
    plane.roots.change([good, String(leaf)]);
    await vi.waitFor(() => expect(plane.trust()[0]?.rejectedRoot).toBe(leaf?.fingerprint256));
    plane.roots.change([]);
    await vi.waitFor(() => expect(plane.trust()[0]?.rejectedRoot).toBeNull());
  });
});
