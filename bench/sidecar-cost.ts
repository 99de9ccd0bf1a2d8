import type { LocalPod } from "../local/local-pod.ts";
import type { LocalCluster } from "../local/start-local-cluster.ts";
import { type LoadResult, runLoad } from "./autocannon-in-pod.ts";
import { type ProcessStats, readProcessStats } from "./process-stats.ts";

/** One load on one path. */
export interface Round {
  readonly path: "plain" | "meshed";
  readonly load: LoadResult;
  /** vCPU of one sidecar (mean of the client's and the server's) over the load; 0 without sidecars. */
  readonly vcpuPerSidecar: number;
  readonly residentMb: number;
  readonly privateMb: number;
}

export interface IdleCost {
  readonly vcpuPerSidecar: number;
  readonly residentMb: number;
  readonly privateMb: number;
}

export interface CostOptions {
  readonly seconds: number;
  readonly rounds: number;
  readonly rate: number;
  readonly connections: number;
  readonly onRound: (round: Round) => void;
}

/** Measures both paths in turns, so that a machine that grows slower does so for both. */
export async function measureRounds(cluster: LocalCluster, options: CostOptions): Promise<readonly Round[]> {
  const { seconds, rate, connections } = options;
  const rounds: Round[] = [];
  for (let turn = 0; turn < options.rounds; turn += 1) {
    for (const path of ["plain", "meshed"] as const) {
      const sidecars = sidecarsOf(cluster, path);
      const before = sidecars.map(readProcessStats);
      const startedMs = performance.now();
      const url = `http://server.${path}:8080/`;
      const load = await runLoad(findPod(cluster, path, "client"), { url, seconds, rate, connections });
      const round = { path, load, ...costOf(before, sidecars.map(readProcessStats), performance.now() - startedMs) };
      rounds.push(round);
      options.onRound(round);
    }
  }
  return rounds;
}

/** What the sidecars cost when nothing is asked of them. */
export async function measureIdle(cluster: LocalCluster, seconds: number): Promise<IdleCost> {
  const sidecars = sidecarsOf(cluster, "meshed");
  const before = sidecars.map(readProcessStats);
  const startedMs = performance.now();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  return costOf(before, sidecars.map(readProcessStats), performance.now() - startedMs);
}

function costOf(before: readonly ProcessStats[], after: readonly ProcessStats[], elapsedMs: number): IdleCost {
  const mean = (values: readonly number[]): number =>
    values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
  return {
    vcpuPerSidecar: mean(after.map((stats, index) => (stats.cpuMs - (before[index]?.cpuMs ?? 0)) / elapsedMs)),
    residentMb: mean(after.map(({ residentMb }) => residentMb)),
    privateMb: mean(after.map(({ privateMb }) => privateMb)),
  };
}

function sidecarsOf(cluster: LocalCluster, namespace: string): readonly number[] {
  return cluster.pods
    .filter((pod) => pod.namespace === namespace)
    .map((pod) => pod.pidOf("istio-proxy"))
    .filter((pid) => pid !== undefined);
}

function findPod(cluster: LocalCluster, namespace: string, name: string): LocalPod {
  const found = cluster.pods.find((pod) => pod.namespace === namespace && pod.name === name);
  if (found === undefined) throw new Error(`the mesh has no pod ${name}.${namespace}`);
  return found;
}
