import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { LocalPod } from "../pods/local-pod.ts";
import { leftoversOf } from "../system/leftovers-fixture.ts";
import { findPod } from "../test-cluster-fixture.ts";
import { type RolloutMesh, startRolloutMesh } from "./rollout-fixture.ts";
import { startTwoLoads, WORLD_BEHIND_GATEWAY } from "./two-loads-fixture.ts";

const TTL_SECONDS = 5;
/** For how long the loads run. `ENTENTE_SOAK_SECONDS=300 npx vitest run local/rollouts/short-certificates` soaks. */
const SECONDS = Number(process.env["ENTENTE_SOAK_SECONDS"] ?? "12");

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

it(
  "certificates of five seconds under load fail no request, through sidecars and the gateway",
  async () => {
    expect(SECONDS, "ENTENTE_SOAK_SECONDS").toBeGreaterThanOrEqual(2 * TTL_SECONDS);
    const end = await startTwoLoads(mesh, { timeoutMs: SECONDS * 1000 + 60_000 });
    const before = await readCounters("istio_agent_num_outgoing_requests");
    await sleep(SECONDS * 1000);
    const reports = await end();
    const after = await readCounters("istio_agent_num_outgoing_requests");
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
