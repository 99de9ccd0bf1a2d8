import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { leftoversOf } from "../system/leftovers-fixture.ts";
import { startLoad } from "./load-fixture.ts";
import { formatDeployment, type RolloutMesh, startRolloutMesh } from "./rollout-fixture.ts";

/** Services that nobody has called before: each has to be resolved by the control plane. */
const NEW_SERVICES = Array.from({ length: 60 }, (_, index) => `new-${index}`);

const MANIFESTS = [
  formatDeployment({ name: "world", args: ["graceful"], isNative: false }),
  ...NEW_SERVICES.map(
    (name) => `---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: mesh }
spec: { selector: { app: world }, ports: [{ name: http, port: 80, targetPort: 8080 }] }
`,
  ),
].join("");

let mesh: RolloutMesh;

beforeAll(async () => {
  mesh = await startRolloutMesh(MANIFESTS);
});
afterAll(async () => {
  await mesh?.stop();
  expect(leftoversOf()).toEqual([]);
});

/** Calls new services one after another until the signal aborts. @returns what did not succeed. */
async function callNewServices(
  signal: AbortSignal,
): Promise<{ readonly calls: number; readonly failures: readonly string[] }> {
  const failures: string[] = [];
  let calls = 0;
  for (const name of NEW_SERVICES) {
    if (signal.aborted) break;
    // Spread over the whole replacement.
    await sleep(200);
    const url = `http://${name}.mesh/`;
    const { stdout } = await mesh.client.exec(["curl", "-s", "-m", "60", "-w", " %{http_code}", url]);
    calls += 1;
    if (!stdout.endsWith(" 200")) failures.push(`${name}: ${stdout}`);
  }
  return { calls, failures };
}

it("replacing the control plane fails no request, to known services and to new ones", async () => {
  const job = {
    url: "http://world.mesh/",
    host: "",
    methods: ["GET", "POST"],
    expected: "served",
    clients: 4,
    pauseMs: 50,
  } as const;
  await expect.poll(async () => (await mesh.client.exec(["curl", "-sf", job.url])).status).toBe(0);
  const endLoad = startLoad(mesh.client, job);
  const replaced = new AbortController();
  const newServices = callNewServices(replaced.signal);
  await mesh.replaceAll("istiod");
  replaced.abort();
  const { calls, failures } = await newServices;
  expect(failures).toEqual([]);
  expect(calls).toBeGreaterThan(10);
  const known = await endLoad();
  expect(known.failures).toEqual([]);
  expect(known.succeeded).toBeGreaterThan(200);
  const { stdout } = await mesh.client.exec(["curl", "-s", "http://127.0.0.1:15090/stats/prometheus"]);
  expect(stdout).toMatch(/^entente_control_plane_connected 1$/m);
});
