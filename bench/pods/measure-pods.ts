import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { createLogger } from "../../cli/create-logger.ts";
import type { LocalPod } from "../../local/pods/local-pod.ts";
import { type LocalCluster, startLocalCluster } from "../../local/start-local-cluster.ts";
import type { PacedJob } from "../load/load-job.ts";
import type { LoadResult } from "../load/load-result.ts";
import { LOAD_PROGRAM } from "../load/own-load.ts";
import { type Measurement, measure } from "../measure.ts";
import type { PathName, ProxyProcess } from "../paths/path.ts";
import type { PodWorkload } from "./pod-workloads.ts";

export interface PodsPlan {
  readonly workloads: readonly PodWorkload[];
  readonly rounds: number;
  readonly seconds: number;
}

export interface PodsDeps {
  readonly onMeasured: (measurement: Measurement) => void;
  readonly onProgress: (step: string) => void;
  readonly signal: AbortSignal;
}

/** Each is a namespace of the manifests. */
const PATHS: readonly PathName[] = ["none", "entente-stream", "entente-http"];
const MANIFESTS = fileURLToPath(new URL("manifests", import.meta.url));

/** Node has not compiled everything that is hot before some thousand requests. */
const WARM_UP_SECONDS = 10;

/** Why pods cannot be made here; `undefined`: they can. */
export function findPodsObstacle(uid: number | undefined): string | undefined {
  return uid === 0 ? undefined : "network namespaces need root";
}

/**
 * Measures the sidecar as it is shipped, bundled, in network namespaces with iptables and a control plane: its memory is
 * the real one. Peers are not there; they run on loopback.
 */
export async function measurePods(plan: PodsPlan, deps: PodsDeps): Promise<void> {
  execFileSync(process.execPath, ["scripts/bundle.ts"], { stdio: ["ignore", "ignore", "inherit"] });
  try {
    const cluster = await startLocalCluster({
      manifests: [MANIFESTS],
      publish: [],
      images: { "bench-server": "bench/load/backend-process.ts", entente: "dist/entente.mjs" },
      log: createLogger("error"),
      onProgress: deps.onProgress,
      signal: deps.signal,
    });
    try {
      for (const workload of plan.workloads) await measureWorkload(workload, cluster, { plan, deps });
    } finally {
      await cluster.stop();
    }
  } finally {
    rmSync("dist", { recursive: true, force: true });
  }
}

async function measureWorkload(
  workload: PodWorkload,
  cluster: LocalCluster,
  { plan, deps }: { readonly plan: PodsPlan; readonly deps: PodsDeps },
): Promise<void> {
  for (const path of PATHS) await load(cluster, { path, rate: workload.rate, seconds: WARM_UP_SECONDS });
  for (let round = 1; round <= plan.rounds; round += 1) {
    for (const path of PATHS) {
      if (deps.signal.aborted) return;
      deps.onProgress(`${workload.name}, round ${round}: ${path}`);
      const run = () => load(cluster, { path, rate: workload.rate, seconds: plan.seconds });
      deps.onMeasured(await measure({ workload: workload.name, path, round, proxies: sidecarsOf(cluster, path), run }));
    }
  }
}

interface PodLoad {
  readonly path: PathName;
  readonly rate: number;
  readonly seconds: number;
}

/** From the client's pod, so that its connections are captured as an application's would be. */
async function load(cluster: LocalCluster, { path, rate, seconds }: PodLoad): Promise<LoadResult> {
  if (rate === 0) {
    await delay(seconds * 1000);
    return { generator: "own", count: 0, failures: 0, seconds, latencyMs: undefined };
  }
  const host = `server.${path}.svc.cluster.local`;
  const job: PacedJob = { kind: "paced", host, port: 8080, file: "/1k", seconds, rate, connections: 16 };
  const command = [process.execPath, LOAD_PROGRAM, JSON.stringify(job)];
  const timeoutMs = (seconds + 60) * 1000;
  const { status, stdout, stderr } = await findPod(cluster, path, "client").exec(command, { timeoutMs });
  if (status !== 0) throw new Error(`the load in ${path} ended with ${status}: ${stderr.trim()}`);
  return JSON.parse(stdout);
}

function sidecarsOf(cluster: LocalCluster, path: PathName): readonly ProxyProcess[] {
  const sides = [
    { name: "client's side", pid: findPod(cluster, path, "client").pidOf("istio-proxy") },
    { name: "server's side", pid: findPod(cluster, path, "server").pidOf("istio-proxy") },
  ] as const;
  return sides.flatMap(({ name, pid }) => (pid === undefined ? [] : [{ name, pid }]));
}

function findPod(cluster: LocalCluster, namespace: string, name: string): LocalPod {
  const found = cluster.pods.find((pod) => pod.namespace === namespace && pod.name === name);
  if (found === undefined) throw new Error(`the mesh has no pod ${name}.${namespace}`);
  return found;
}
