import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RevocationTarget } from "../../ca-agent/control/control-state.ts";
import { createFileControlStore } from "../../ca-agent/control/file-control-store.ts";
import { normalizeSerialNumber } from "../../mesh/identity/serial-number.ts";
import { systemClock } from "../../mesh/runtime.ts";
import type { LocalPod } from "../pods/local-pod.ts";
import { leftoversOf } from "../system/leftovers-fixture.ts";
import { findPod } from "../test-cluster-fixture.ts";
import { startLoad } from "./load-fixture.ts";
import { formatDeployment, type RolloutMesh, startRolloutMesh } from "./rollout-fixture.ts";

const THIEF = { kind: "pod", namespace: "mesh", name: "thief" } as const;
const MANIFESTS = `${formatDeployment({ name: "world", args: ["graceful"], isNative: false })}---
apiVersion: v1
kind: Pod
metadata: { name: thief, namespace: mesh }
spec:
  serviceAccountName: thief
  containers: [{ name: app, image: test/application, ports: [{ containerPort: 8080 }] }]
`;

let mesh: RolloutMesh;
let thief: LocalPod;

beforeAll(async () => {
  mesh = await startRolloutMesh(MANIFESTS);
  thief = findPod(mesh.cluster, "thief");
});
afterAll(async () => {
  await mesh?.stop();
  expect(leftoversOf()).toEqual([]);
});

/** What is revoked from now on, as `entente ca revoke` stores it. */
async function revokeOnly(...targets: readonly RevocationTarget[]): Promise<void> {
  const revokedAt = new Date().toISOString();
  const revocations = targets.map((what) => ({ what, revokedAt }));
  const store = createFileControlStore(mesh.cluster.authorityFolder, { clock: systemClock, random: Math.random });
  await store.update((state) => ({ ...state, revocations }));
}

async function readStatus(): Promise<string> {
  const url = "http://world.mesh/";
  return (await thief.exec(["curl", "-s", "-m", "30", "-o", "/dev/null", "-w", "%{http_code}", url])).stdout;
}

async function readSerialNumber(): Promise<string> {
  const { stdout } = await thief.exec(["curl", "-s", "http://127.0.0.1:15000/certs"]);
  const page: { readonly chain?: readonly { readonly serial_number: string }[] } = JSON.parse(stdout);
  return normalizeSerialNumber(page.chain?.[0]?.serial_number ?? "");
}

/** Of all servers. */
async function countRevoked(name: string): Promise<number> {
  const pages = mesh.podsOf("world").map((pod) => pod.exec(["curl", "-s", "http://127.0.0.1:15090/stats/prometheus"]));
  const sample = new RegExp(`^${name}\\{direction="inbound",reason="revoked"\\} (\\d+)$`, "m");
  const counts = (await Promise.all(pages)).map(({ stdout }) => Number(sample.exec(stdout)?.[1] ?? 0));
  return counts.reduce((sum, count) => sum + count, 0);
}

it("a revoked client is cut off while the requests of others go on, and is back with another certificate", async () => {
  const job = { url: "http://world.mesh/", host: "", methods: ["GET", "POST"], expected: "served by world-" } as const;
  await expect.poll(async () => (await mesh.client.exec(["curl", "-sf", job.url])).status).toBe(0);
  await expect.poll(readStatus).toBe("200");
  const endLoad = startLoad(mesh.client, { ...job, clients: 4, pauseMs: 20 });
  const endless = thief.exec(["curl", "-sS", "-N", "-m", "100", "http://world.mesh/endless"]);
  const logs = () => mesh.podsOf("world").map((pod) => readFileSync(pod.logFile("app"), "utf8"));
  await expect.poll(() => logs().join("")).toContain("endless");

  const stolen = await readSerialNumber();
  await revokeOnly({ kind: "serial", serialNumber: stolen });
  // 28 would be curl's own time limit.
  expect([0, 28]).not.toContain((await endless).status);
  await expect.poll(readSerialNumber).not.toBe(stolen);
  await expect.poll(readStatus).toBe("200");
  expect(await countRevoked("entente_connections_cut_total")).toBeGreaterThan(0);

  await revokeOnly({ kind: "serial", serialNumber: stolen }, THIEF);
  await expect.poll(readStatus).toBe("503");
  for (let request = 0; request < 5; request += 1) expect(await readStatus()).toBe("503");
  expect(await countRevoked("entente_tls_handshake_failures_total")).toBeGreaterThan(0);

  await revokeOnly();
  await expect.poll(readStatus).toBe("200");
  const { succeeded, failures } = await endLoad();
  expect(failures).toEqual([]);
  expect(succeeded).toBeGreaterThan(100);
});
