import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createFileControlStore } from "../../ca-agent/control/file-control-store.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { leftoversOf } from "../system/leftovers-fixture.ts";
import { type RolloutMesh, startRolloutMesh } from "./rollout-fixture.ts";
import { startTwoLoads, WORLD_BEHIND_GATEWAY } from "./two-loads-fixture.ts";

let mesh: RolloutMesh;

beforeAll(async () => {
  mesh = await startRolloutMesh(WORLD_BEHIND_GATEWAY, { workloadCertificateTtl: "6s" });
});
afterAll(async () => {
  await mesh?.stop();
  expect(leftoversOf()).toEqual([]);
});

/** The phase of the rotation, as it is stored. */
function phaseOf({ cluster }: RolloutMesh): string {
  const newest = readdirSync(cluster.authorityFolder)
    .filter((name) => name.startsWith("self-signed."))
    .sort()
    .at(-1);
  if (newest === undefined) return "none";
  try {
    return JSON.parse(readFileSync(join(cluster.authorityFolder, newest, "rotation.json"), "utf8")).kind;
  } catch {
    // It was replaced between the two looks.
    return "";
  }
}

it("while the root is replaced no request fails, neither through sidecars nor through the gateway", async () => {
  const end = await startTwoLoads(mesh);
  const requestedAt = new Date().toISOString();
  const store = createFileControlStore(mesh.cluster.authorityFolder, { clock: systemClock, random: Math.random });
  await store.update((state) => ({ ...state, rotation: { requestId: "first", requestedAt } }));
  for (const phase of ["signing", "steady"]) {
    await expect.poll(() => phaseOf(mesh), { timeout: 60_000 }).toBe(phase);
  }
  // Certificates are renewed by the new root alone.
  await sleep(4000);
  const reports = await end();
  expect(reports.map(({ failures }) => failures)).toEqual([[], []]);
  for (const { succeeded } of reports) expect(succeeded).toBeGreaterThan(200);
}, 150_000);
