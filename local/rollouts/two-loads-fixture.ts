/** For tests: a load through a sidecar and one through the gateway, while something else changes. */
import { expect } from "vitest";
import { type LoadLimits, type LoadReport, startLoad } from "./load-fixture.ts";
import { formatDeployment, formatGatewayRoute, type RolloutMesh } from "./rollout-fixture.ts";

/** What the loads need: a service `world`, and its host at the gateway. */
export const WORLD_BEHIND_GATEWAY = [
  formatDeployment({ name: "world", args: ["graceful"], isNative: false }),
  formatGatewayRoute("world.example", "world"),
].join("");

/** Waits until both ways serve, and starts a load on each. @returns a function that ends them and returns their reports */
export async function startTwoLoads(
  { client, outsider }: Pick<RolloutMesh, "client" | "outsider">,
  limits?: LoadLimits,
): Promise<() => Promise<readonly LoadReport[]>> {
  const job = { methods: ["GET", "POST"], expected: "served by world-", clients: 4, pauseMs: 20 } as const;
  const loads = [
    { pod: client, job: { ...job, url: "http://world.mesh/", host: "" } },
    { pod: outsider, job: { ...job, url: "http://istio-ingressgateway.istio-system/", host: "world.example" } },
  ];
  for (const {
    pod,
    job: { url, host },
  } of loads) {
    const curl = ["curl", "-sf", ...(host === "" ? [] : ["-H", `Host: ${host}`]), url];
    await expect.poll(async () => (await pod.exec(curl)).status).toBe(0);
  }
  const ends = loads.map((load) => startLoad(load.pod, load.job, limits));
  return () => Promise.all(ends.map((end) => end()));
}
