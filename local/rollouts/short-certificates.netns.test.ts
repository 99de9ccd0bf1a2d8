import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { leftoversOf } from "../system/leftovers-fixture.ts";
import { type RolloutMesh, startRolloutMesh } from "./rollout-fixture.ts";
import { startTwoLoads, WORLD_BEHIND_GATEWAY } from "./two-loads-fixture.ts";

let mesh: RolloutMesh;

beforeAll(async () => {
  mesh = await startRolloutMesh(WORLD_BEHIND_GATEWAY, { workloadCertificateTtl: "5s" });
});
afterAll(async () => {
  await mesh?.stop();
  expect(leftoversOf()).toEqual([]);
});

async function readCounter(name: string): Promise<number> {
  const { stdout } = await mesh.client.exec(["curl", "-s", "http://127.0.0.1:15090/stats/prometheus"]);
  return Number(new RegExp(`^${name}\\{request_type="csr"\\} (\\d+)$`, "m").exec(stdout)?.[1]);
}

it("certificates of five seconds under load fail no request, through sidecars and the gateway", async () => {
  const end = await startTwoLoads(mesh);
  const before = await readCounter("istio_agent_num_outgoing_requests");
  await sleep(12_000);
  const reports = await end();
  const renewals = (await readCounter("istio_agent_num_outgoing_requests")) - before;
  process.stdout.write(`${renewals} renewals, ${reports.map(({ succeeded }) => succeeded).join(" + ")} requests\n`);
  expect(reports.map(({ failures }) => failures)).toEqual([[], []]);
  for (const { succeeded } of reports) expect(succeeded).toBeGreaterThan(100);
  // Each at half of the lifetime.
  expect(renewals).toBeGreaterThan(2);
  expect(await readCounter("istio_agent_num_failed_outgoing_requests")).toBe(0);
}, 120_000);
