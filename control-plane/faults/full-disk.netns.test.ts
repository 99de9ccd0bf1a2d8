import { X509Certificate } from "node:crypto";
import { readdirSync } from "node:fs";
import { afterEach, expect, it } from "vitest";
import { fingerprintOf, trustedRoots } from "../../ca-agent/rotation/rotation-state.ts";
import { Cleanup } from "../../net/cleanup-fixture.ts";
import { until } from "../../net/until-fixture.ts";
import { formatTraffic } from "../../proxy/counted-requests-fixture.ts";
import { mountDisk } from "./control-plane-process-fixture.ts";
import { LoadedMesh } from "./loaded-mesh-fixture.ts";
import { StandaloneFiles } from "./standalone-files-fixture.ts";

/** Phases of the rotation last as long. Less than half of it is left when a control plane is killed, and a busy machine starts one in 10 s. */
const LIFETIME_SECONDS = 24;

/** A busy machine needs seconds for each start of a control plane. */
const LIMIT_MS = 300_000;

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

it(
  "no request fails when two control planes start on one disk, it fills in mid-rotation, and both are killed; with space it goes on",
  async () => {
    const disk = await mountDisk(cleanup);
    const files = await StandaloneFiles.create(cleanup, { caDirectory: disk.path });
    const mesh = new LoadedMesh(cleanup, { files, disk, lifetimeSeconds: LIFETIME_SECONDS });
    // At once: neither finds an authority, and each would create one.
    await Promise.all([mesh.addControlPlane(), mesh.addControlPlane()]);
    const traffic = await mesh.startSidecars(2, { pauseMs: 20 });
    const before = trustedRoots(await files.state()).map(fingerprintOf);
    expect(mesh.trusted()).toEqual(new Set(before));
    await until(() => mesh.controlPlanes.every((one) => one.log().includes('"issued"')));

    await files.ask("first");
    await until(async () => (await files.state()).kind === "published");
    disk.fill();
    const filledMs = performance.now();
    await until(() => mesh.controlPlanes.some((one) => one.log().includes("ENOSPC")));
    await mesh.renewed();
    for (let count = 0; count < 2; count += 1) {
      await mesh.killControlPlane();
      await mesh.addControlPlane();
    }
    await mesh.renewed();
    expect((await files.state()).kind).toBe("published");
    expect(readdirSync(disk.path)).toContain("filler");
    disk.empty();
    const fullMs = performance.now() - filledMs;

    await until(async () => (await files.state()).kind === "signing");
    const { publicKey, fingerprint256 } = new X509Certificate((await files.state()).current.certificatePem);
    expect(before).not.toContain(fingerprint256);
    await until(() => mesh.sidecars.every(({ source }) => source.current()?.certificates[0]?.verify(publicKey)));
    const report = await traffic.end();
    process.stdout.write(`${formatTraffic(report)}; the disk was full for ${(fullMs / 1000).toFixed(1)} s\n`);
    expect(report.failures).toEqual([]);
    for (const count of report.requests) expect(count).toBeGreaterThan(10);
  },
  LIMIT_MS,
);
