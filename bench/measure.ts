import { setTimeout as delay } from "node:timers/promises";
import type { LoadResult } from "./load/load-result.ts";
import type { PathName, ProxyProcess } from "./paths/path.ts";
import { type ProcessMemory, readCpuMs, readMemory } from "./processes/process-stats.ts";
import { median } from "./report/median.ts";
import type { Workload, WorkloadTarget } from "./workloads.ts";

/** One load on one path. */
export interface Measurement {
  readonly workload: string;
  readonly path: PathName;
  readonly round: number;
  readonly load: LoadResult;
  readonly proxies: readonly ProxyCost[];
}

/** What a proxy's process used in the window, and held. */
export interface ProxyCost {
  readonly name: ProxyProcess["name"];
  readonly cpuMs: number;
  /** Medians over the window. */
  readonly residentMb: number;
  readonly privateMb: number;
  readonly peakResidentMb: number;
}

export interface MeasureOptions {
  readonly workload: Workload;
  readonly pathName: PathName;
  readonly round: number;
  readonly target: WorkloadTarget;
}

const SAMPLE_MS = 500;

/** Runs one load and reads before, while and after it what the proxies' processes use. */
export async function measure({ workload, pathName, round, target }: MeasureOptions): Promise<Measurement> {
  const { proxies } = target.path;
  const sampling = startSampling(proxies);
  const before = proxies.map(({ pid }) => readCpuMs(pid));
  const load = await workload.run(target);
  const after = proxies.map(({ pid }) => readCpuMs(pid));
  const samples = await sampling.stop();
  const costs = proxies.map(({ name }, index): ProxyCost => {
    const own = samples.map((sample) => sample[index]).filter((memory) => memory !== undefined);
    return { name, cpuMs: (after[index] ?? 0) - (before[index] ?? 0), ...summarize(own) };
  });
  return { workload: workload.name, path: pathName, round, load, proxies: costs };
}

interface Sampling {
  stop(): Promise<readonly (readonly ProcessMemory[])[]>;
}

/** Reads memory twice a second, and once more at the end. */
function startSampling(proxies: readonly ProxyProcess[]): Sampling {
  const samples: (readonly ProcessMemory[])[] = [];
  const stopping = new AbortController();
  const sample = (): void => void samples.push(proxies.map(({ pid }) => readMemory(pid)));
  const loop = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await delay(SAMPLE_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      sample();
    }
  };
  const looping = loop();
  return {
    stop: async () => {
      stopping.abort();
      await looping;
      return samples;
    },
  };
}

function summarize(samples: readonly ProcessMemory[]): Omit<ProxyCost, "name" | "cpuMs"> {
  const resident = samples.map(({ residentMb }) => residentMb);
  return {
    residentMb: median(resident),
    privateMb: median(samples.map(({ privateMb }) => privateMb)),
    peakResidentMb: Math.max(...resident),
  };
}
