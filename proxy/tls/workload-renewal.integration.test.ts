import { readFile, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { FakeClock } from "../../mesh/fake-clock-fixture.ts";
import { RecordingLogger } from "../../mesh/recording-logger-fixture.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { startFastClock } from "../../net/fast-clock-fixture.ts";
import { createProxyMetrics, type ScrapedMetrics } from "../telemetry/proxy-metrics.ts";
import { ControlPlaneFixture } from "./control-plane/control-plane-fixture.ts";
import { startWorkloadTls, type WorkloadTls } from "./workload-tls.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

let clock: FakeClock;
let plane: ControlPlaneFixture;
let log: RecordingLogger;
let metrics: ScrapedMetrics;

beforeEach(() => {
  log = new RecordingLogger();
  clock = startFastClock(cleanup);
  metrics = createProxyMetrics({ clock });
});

async function startPlane(lifetimeMs = 3_600_000): Promise<void> {
  plane = await ControlPlaneFixture.start({ lifetimeMs, clock });
  cleanup.add(() => plane.dispose());
}

async function start(random = Math.random): Promise<WorkloadTls> {
  const sidecar = await startWorkloadTls({ ...plane.workloadOptions(), log, random, meter: metrics.agent });
  cleanup.add(() => sidecar.close());
  return sidecar;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void clock.setTimeout(resolve, ms));
}

/** Watches the certificate for a while. @returns how often there was none, and how many there were */
async function watch({ source }: WorkloadTls, forMs: number) {
  const serials = new Set<string | undefined>();
  for (const endMs = clock.now() + forMs; clock.now() < endMs; await pause(10)) {
    serials.add(source.current()?.certificates[0]?.serialNumber);
  }
  return { lapsed: serials.delete(undefined), certificates: serials.size };
}

describe("a sidecar with certificates of seconds", () => {
  it("keeps a valid one for more than two lifetimes with an expired token, and uses the token once it is renewed", async () => {
    await startPlane(8000);
    const sidecar = await start();
    await expect.poll(() => sidecar.source.current()).toBeDefined();
    await writeFile(plane.tokenFile, "expired-token");
    const { lapsed, certificates } = await watch(sidecar, 20_000);
    expect(lapsed).toBe(false);
    expect(certificates).toBeGreaterThan(3);
    await writeFile(plane.tokenFile, "good-token-2");
    await expect.poll(() => plane.tokens).toContain("good-token-2");
  });

  it("recovers within five seconds after its token is renewed, if its certificate has expired too", async () => {
    await startPlane(3000);
    // The longest waits.
    const sidecar = await start(() => 0.99);
    await expect.poll(() => sidecar.source.current()).toBeDefined();
    await plane.stop();
    await writeFile(plane.tokenFile, "expired-token");
    await expect.poll(() => sidecar.source.current()).toBeUndefined();
    await plane.listen();
    await pause(8000);
    expect(sidecar.source.current()).toBeUndefined();
    await writeFile(plane.tokenFile, "good-token-2");
    await expect.poll(() => sidecar.source.current()).toBeDefined();
    const waits = log.find("no new certificate").map(({ fields }) => Number(fields["waitMs"]));
    expect(waits.length).toBeGreaterThan(2);
    expect(Math.max(...waits)).toBeLessThanOrEqual(5000);
  });
});

describe("an unusable trust bundle", () => {
  it.each([
    { name: "that was emptied by mistake", roots: [], reason: /no root certificates/ },
    { name: "with a broken root beside a good one", roots: ["good", "broken"], reason: /no PEM certificate/ },
  ])("$name is refused whole, with an error, a metric and a report to the control plane", async ({ roots, reason }) => {
    await startPlane();
    const sidecar = await start();
    const good = await readFile(plane.rootFile, "utf8");
    await expect.poll(() => plane.proxies()[0]?.resources[0]).toMatchObject({ state: "synced" });
    const before = sidecar.source.current();
    plane.roots.change(roots.map((root) => (root === "good" ? good : root)));
    await expect
      .poll(() => plane.proxies()[0]?.rejections)
      .toEqual([{ resource: "trust bundle", reason: expect.stringMatching(reason) }]);
    expect(sidecar.source.current()).toBe(before);
    expect(log.find("an invalid response was ignored, the last one stays in force")).toHaveLength(1);
    const page = Buffer.concat([...(await metrics.read()).pieces]).toString();
    expect(page).toContain('entente_control_plane_updates_rejected_total{resource="trust bundle"} 1');
    plane.roots.change([good]);
    await expect.poll(() => plane.proxies()[0]?.rejections).toEqual([]);
  });

  it("names the root because of which it is refused, so that a rotation can go back", async () => {
    await startPlane();
    const sidecar = await start();
    await expect.poll(() => plane.proxies()[0]?.resources[0]).toMatchObject({ state: "synced" });
    const good = await readFile(plane.rootFile, "utf8");
    const { certificates = [] } = sidecar.source.current() ?? {};
    // No authority, so no root.
    const [leaf] = certificates;
    plane.roots.change([good, String(leaf)]);
    await expect.poll(() => plane.trust()[0]?.rejectedRoot).toBe(leaf?.fingerprint256);
    plane.roots.change([]);
    await expect.poll(() => plane.trust()[0]?.rejectedRoot).toBeNull();
  });
});
