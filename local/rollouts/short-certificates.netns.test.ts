import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createFileControlStore } from "../../ca-agent/control/file-control-store.ts";
import { systemClock } from "../../mesh/runtime.ts";
import type { LocalPod } from "../pods/local-pod.ts";
import { leftoversOf } from "../system/leftovers-fixture.ts";
import { findPod } from "../test-cluster-fixture.ts";
import { type RolloutMesh, startRolloutMesh } from "./rollout-fixture.ts";
import { startTwoLoads, WORLD_BEHIND_GATEWAY } from "./two-loads-fixture.ts";

const TTL_SECONDS = 5;
/** For how long the loads run. `ENTENTE_SOAK_SECONDS=300 npx vitest run local/rollouts/short-certificates` soaks. */
const SECONDS = Number(process.env["ENTENTE_SOAK_SECONDS"] ?? "10");

let mesh: RolloutMesh;

beforeAll(async () => {
  mesh = await startRolloutMesh(WORLD_BEHIND_GATEWAY, { workloadCertificateTtl: `${TTL_SECONDS}s` });
});
afterAll(async () => {
  await mesh?.stop();
  expect(leftoversOf()).toEqual([]);
});

/** Every proxy that the loads go through. */
function proxies(): readonly LocalPod[] {
  return [mesh.client, ...mesh.podsOf("world"), findPod(mesh.cluster, "istio-ingressgateway")];
}

/** Of each proxy. */
async function readCounters(name: string): Promise<readonly number[]> {
  const read = async (pod: LocalPod): Promise<number> => {
    const { stdout } = await pod.exec(["curl", "-s", "http://127.0.0.1:15090/stats/prometheus"]);
    return Number(new RegExp(`^${name}\\{request_type="csr"\\} (\\d+)$`, "m").exec(stdout)?.[1]);
  };
  return await Promise.all(proxies().map(read));
}

/** Until now, for each proxy. */
function countRenewals(): Promise<readonly number[]> {
  return readCounters("istio_agent_num_outgoing_requests");
}

/** The phase of the rotation, as it is stored. */
function phaseOf({ authorityFolder }: RolloutMesh["cluster"]): string {
  const newest = readdirSync(authorityFolder)
    .filter((name) => name.startsWith("self-signed."))
    .sort()
    .at(-1);
  if (newest === undefined) return "none";
  try {
    return JSON.parse(readFileSync(join(authorityFolder, newest, "rotation.json"), "utf8")).kind;
  } catch {
    // It was replaced between the two looks.
    return "";
  }
}

it(
  "certificates of five seconds under load fail no request, through sidecars and the gateway",
  async () => {
    expect(SECONDS, "ENTENTE_SOAK_SECONDS").toBeGreaterThanOrEqual(2 * TTL_SECONDS);
    const end = await startTwoLoads(mesh, { timeoutMs: SECONDS * 1000 + 60_000 });
    const before = await countRenewals();
    await sleep(SECONDS * 1000);
    const reports = await end();
    const after = await countRenewals();
    const renewals = after.map((count, index) => count - (before[index] ?? Number.NaN));
    const requests = reports.map(({ succeeded, slowestMs }) => `${succeeded} requests, the slowest ${slowestMs} ms`);
    process.stdout.write(`${SECONDS} s: ${renewals.join(" + ")} renewals; ${requests.join("; ")}\n`);
    expect(reports.map(({ failures }) => failures)).toEqual([[], []]);
    for (const { succeeded } of reports) expect(succeeded).toBeGreaterThan(100);
    // Each at half of the lifetime; on a busy machine a few later, and none after its end.
    for (const count of renewals) expect(count).toBeGreaterThanOrEqual(Math.floor(SECONDS / TTL_SECONDS));
    const failed = await readCounters("istio_agent_num_failed_outgoing_requests");
    expect(failed).toEqual(renewals.map(() => 0));
  },
  (SECONDS + 120) * 1000,
);

it("while the root is replaced no request fails, neither through sidecars nor through the gateway", async () => {
  const end = await startTwoLoads(mesh);
  const { cluster } = mesh;
  const requestedAt = new Date().toISOString();
  const store = createFileControlStore(cluster.authorityFolder, { clock: systemClock, random: Math.random });
  await store.update((state) => ({ ...state, rotation: { requestId: "first", requestedAt } }));
  for (const phase of ["signing", "steady"]) {
    await expect.poll(() => phaseOf(cluster), { timeout: 60_000 }).toBe(phase);
  }
  // Each has a certificate that was requested when the new root was alone.
  const before = await countRenewals();
  const renewed = async () => (await countRenewals()).map((count, index) => count > (before[index] ?? Number.NaN));
  await expect.poll(renewed).toEqual(before.map(() => true));
  // The load goes on with these.
  await sleep(1000);
  const reports = await end();
  expect(reports.map(({ failures }) => failures)).toEqual([[], []]);
  for (const { succeeded } of reports) expect(succeeded).toBeGreaterThan(200);
}, 150_000);
