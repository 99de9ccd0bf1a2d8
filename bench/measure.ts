import type { LoadResult } from "./load/load-result.ts";
import type { PathName, ProxyProcess } from "./paths/path.ts";
import { readCpuMs, readMemory, readResidentMb } from "./processes/process-stats.ts";
import { median } from "./report/median.ts";

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
  /** When the window began, its median, its peak. */
  readonly startResidentMb: number;
  readonly residentMb: number;
  readonly peakResidentMb: number;
  /** At the end of the window. */
  readonly privateMb: number;
}

export interface MeasureOptions {
  readonly workload: string;
  readonly path: PathName;
  readonly round: number;
  readonly proxies: readonly ProxyProcess[];
  readonly run: () => Promise<LoadResult>;
}

const SAMPLE_MS = 500;

/** Runs one load and reads before, while and after it what the proxies' processes use. */
export async function measure({ workload, path, round, proxies, run }: MeasureOptions): Promise<Measurement> {
  const sampling = startSampling(proxies);
  const before = proxies.map(({ pid }) => readCpuMs(pid));
  const load = await run();
  const after = proxies.map(({ pid }) => readCpuMs(pid));
  const samples = sampling.stop();
  const costs = proxies.map(({ name, pid }, index): ProxyCost => {
    const resident = samples.map((sample) => sample[index] ?? 0);
    return {
      name,
      cpuMs: (after[index] ?? 0) - (before[index] ?? 0),
      startResidentMb: resident[0] ?? 0,
      residentMb: median(resident),
      peakResidentMb: Math.max(...resident),
      privateMb: readMemory(pid).privateMb,
    };
  });
  return { workload, path, round, load, proxies: costs };
}

interface Sampling {
  stop(): readonly (readonly number[])[];
}

/** Reads resident memory at the start, twice a second, and at the end. */
function startSampling(proxies: readonly ProxyProcess[]): Sampling {
  const samples: (readonly number[])[] = [];
  const sample = (): void => void samples.push(proxies.map(({ pid }) => readResidentMb(pid)));
  sample();
  const timer = setInterval(sample, SAMPLE_MS);
  return {
    stop: () => {
      clearInterval(timer);
      sample();
      return samples;
    },
  };
}
