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

/**
 * For so long the loads go on after the root is replaced, with certificates of 5 s:
 * `ENTENTE_SOAK_SECONDS=300 npx vitest run local/rollouts/short-certificates`.
 */
const SOAK_SECONDS = Number(process.env["ENTENTE_SOAK_SECONDS"] ?? "0");
/** Half of it is left when a renewal is due: without a soak, more than a busy machine keeps a process from its work. */
const TTL_SECONDS = SOAK_SECONDS > 0 ? 5 : 16;

/** The phases of the rotation last three lifetimes. */
const LIMIT_MS = (SOAK_SECONDS + 400) * 1000;

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
  "while certificates of seconds are renewed and the root is replaced, no request fails, through sidecars and the gateway",
  async () => {
    const end = await startTwoLoads(mesh, { timeoutMs: LIMIT_MS });
    const { cluster } = mesh;
    const begun = await countRenewals();
    const requestedAt = new Date().toISOString();
    const store = createFileControlStore(cluster.authorityFolder, { clock: systemClock, random: Math.random });
    await store.update((state) => ({ ...state, rotation: { requestId: "first", requestedAt } }));
    for (const phase of ["signing", "steady"]) {
      await expect.poll(() => phaseOf(cluster), { timeout: 120_000 }).toBe(phase);
    }
    // Each has a certificate that was requested when the new root was alone.
    const before = await countRenewals();
    const renewed = async () => (await countRenewals()).map((count, index) => count > (before[index] ?? Number.NaN));
    await expect.poll(renewed).toEqual(before.map(() => true));
    // The load goes on with these.
    await sleep(1000 + SOAK_SECONDS * 1000);
    const reports = await end();
    const renewals = (await countRenewals()).map((count, index) => count - (begun[index] ?? Number.NaN));
    const failed = await readCounters("istio_agent_num_failed_outgoing_requests");
    const requests = reports.map(({ succeeded, slowestMs }) => `${succeeded} requests, the slowest ${slowestMs} ms`);
    process.stdout.write(
      `${renewals.join(" + ")} renewals, ${failed.join(" + ")} attempts failed; ${requests.join("; ")}\n`,
    );
    expect(reports.map(({ failures }) => failures)).toEqual([[], []]);
    for (const { succeeded } of reports) expect(succeeded).toBeGreaterThan(200);
    // At least one in each phase, and one after it.
    for (const count of renewals) expect(count).toBeGreaterThanOrEqual(Math.max(3, SOAK_SECONDS / TTL_SECONDS));
  },
  LIMIT_MS,
);
