import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, it } from "vitest";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { formatTraffic } from "../../proxy/counted-requests-fixture.ts";
import { LoadedMesh } from "./loaded-mesh-fixture.ts";
import { StandaloneFiles } from "./standalone-files-fixture.ts";

/**
 * For minutes, so only on request: `ENTENTE_SOAK_SECONDS=120 npx vitest run control-plane/faults/killed-control-plane`. A few
 * sidecars, with the kills of their control planes, are in `full-disk.netns.test.ts`.
 */
const SECONDS = Number(process.env["ENTENTE_SOAK_SECONDS"] ?? "0");
const SIDECARS = Number(process.env["ENTENTE_SOAK_SIDECARS"] ?? "300");
/** Half of it is left when a renewal fails. All of them share one process, which a busy machine stops for some ten seconds. */
const LIFETIME_SECONDS = 180;
/** From one start to the next kill. */
const RUNS_MS = 20_000;

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

it.runIf(SECONDS > 0)(
  "no request fails while hundreds of sidecars renew and their control plane is killed again and again",
  async () => {
    const files = await StandaloneFiles.create(cleanup);
    const mesh = new LoadedMesh(cleanup, { files, lifetimeSeconds: LIFETIME_SECONDS });
    await mesh.addControlPlane();
    // All of them are in this process: more would be a test of its processor.
    const traffic = await mesh.startSidecars(Math.ceil(SIDECARS / 2), { pauseMs: 3000, closeIdleMs: 10_000 });
    const endMs = performance.now() + SECONDS * 1000;
    const awayMs: number[] = [];
    let renewals = 0;
    while (performance.now() < endMs) {
      await sleep(RUNS_MS * (0.5 + Math.random()));
      const killedMs = performance.now();
      renewals += mesh.issued();
      await mesh.killControlPlane();
      await mesh.addControlPlane();
      awayMs.push(performance.now() - killedMs);
    }
    await mesh.renewed();
    renewals += mesh.issued();
    const report = await traffic.end();
    const away = `${awayMs.length} kills, away for ${Math.round(Math.max(...awayMs))} ms at most`;
    process.stdout.write(
      `${mesh.sidecars.length} sidecars: ${formatTraffic(report)}; ${renewals} certificates; ${away}\n`,
    );
    expect(report.failures).toEqual([]);
    expect(renewals).toBeGreaterThan((mesh.sidecars.length * SECONDS) / LIFETIME_SECONDS);
  },
  (SECONDS + 240) * 1000,
);
