/** Measurements and summaries that tests make up. */
import type { Measurement, ProxyCost } from "../measure.ts";
import type { PathName } from "../paths/path.ts";
import { REQUESTS, type Workload } from "../workload.ts";
import type { Summary } from "./summarize.ts";

export const SMALL_GET: Workload = { name: "small-get", title: "Small GET", unit: REQUESTS };

export function proxyCost(cost: Partial<ProxyCost> = {}): ProxyCost {
  return {
    name: "client's side",
    cpuMs: 100,
    startResidentMb: 60,
    residentMb: 70,
    peakResidentMb: 75,
    privateMb: 30,
    ...cost,
  };
}

/** 2,000 requests in 2 s. */
export function measurement(path: PathName, p50: number, proxies: readonly ProxyCost[]): Measurement {
  const latencyMs = { p50, p90: 5, p99: 9 };
  const load = { generator: "own", count: 2000, failures: 1, seconds: 2, latencyMs } as const;
  return { workload: SMALL_GET.name, path, round: 1, load, proxies };
}

export function summary(workload: string, path: PathName, figures: Partial<Summary> = {}): Summary {
  return {
    workload,
    path,
    rate: 1000,
    p50Ms: 1,
    p90Ms: 2,
    p99Ms: 3,
    lowestP99Ms: 3,
    failures: 0,
    cpuMs: 50,
    cpuMsOfRounds: new Map([1, 2, 3, 4, 5].map((round) => [round, figures.cpuMs ?? 50])),
    vcpu: 0.1,
    processes: path === "none" ? 0 : 2,
    residentMb: 140,
    privateMb: 60,
    grownMb: 2,
    addedMb: Number.NaN,
    ...figures,
  };
}
