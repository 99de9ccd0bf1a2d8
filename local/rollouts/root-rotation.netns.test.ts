import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createFileControlStore } from "../../ca-agent/control/file-control-store.ts";
import { leftoversOf } from "../system/leftovers-fixture.ts";
import { startLoad } from "./load-fixture.ts";
import { formatDeployment, formatGatewayRoute, type RolloutMesh, startRolloutMesh } from "./rollout-fixture.ts";

const MANIFESTS = [
  formatDeployment({ name: "world", args: ["graceful"], isNative: false }),
  formatGatewayRoute("world.example", "world"),
].join("");

let mesh: RolloutMesh;

beforeAll(async () => {
  mesh = await startRolloutMesh(MANIFESTS, { workloadCertificateTtl: "6s" });
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
  const ends = loads.map((load) => startLoad(load.pod, load.job));
  const requestedAt = new Date().toISOString();
  const store = createFileControlStore(mesh.cluster.authorityFolder);
  await store.update((state) => ({ ...state, rotation: { requestId: "first", requestedAt } }));
  for (const phase of ["signing", "steady"]) {
    await expect.poll(() => phaseOf(mesh), { timeout: 60_000 }).toBe(phase);
  }
  // Certificates are renewed by the new root alone.
  await sleep(4000);
  const reports = await Promise.all(ends.map((end) => end()));
  expect(reports.map(({ failures }) => failures)).toEqual([[], []]);
  for (const { succeeded } of reports) expect(succeeded).toBeGreaterThan(200);
}, 150_000);
