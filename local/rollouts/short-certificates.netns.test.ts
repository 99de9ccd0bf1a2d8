import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { leftoversOf } from "../system/leftovers-fixture.ts";
import { startLoad } from "./load-fixture.ts";
import { formatDeployment, formatGatewayRoute, type RolloutMesh, startRolloutMesh } from "./rollout-fixture.ts";

const MANIFESTS = [
  formatDeployment({ name: "world", args: ["graceful"], isNative: false }),
  formatGatewayRoute("world.example", "world"),
].join("");

let mesh: RolloutMesh;

beforeAll(async () => {
  mesh = await startRolloutMesh(MANIFESTS, { workloadCertificateTtl: "5s" });
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
  const job = { methods: ["GET", "POST"], expected: "served by world-", clients: 4, pauseMs: 20 } as const;
  const loads = [
    { pod: mesh.client, job: { ...job, url: "http://world.mesh/", host: "" } },
    { pod: mesh.outsider, job: { ...job, url: "http://istio-ingressgateway.istio-system/", host: "world.example" } },
  ];
  for (const {
    pod,
    job: { url, host },
  } of loads) {
    const curl = ["curl", "-sf", ...(host === "" ? [] : ["-H", `Host: ${host}`]), url];
    await expect.poll(async () => (await pod.exec(curl)).status, { timeout: 10_000 }).toBe(0);
  }
  const before = await readCounter("istio_agent_num_outgoing_requests");
  const ends = loads.map((load) => startLoad(load.pod, load.job));
  await sleep(12_000);
  const reports = await Promise.all(ends.map((end) => end()));
  const renewals = (await readCounter("istio_agent_num_outgoing_requests")) - before;
  process.stdout.write(`${renewals} renewals, ${reports.map(({ succeeded }) => succeeded).join(" + ")} requests\n`);
  expect(reports.map(({ failures }) => failures)).toEqual([[], []]);
  for (const { succeeded } of reports) expect(succeeded).toBeGreaterThan(100);
  // Each at half of the lifetime.
  expect(renewals).toBeGreaterThan(2);
  expect(await readCounter("istio_agent_num_failed_outgoing_requests")).toBe(0);
}, 120_000);
