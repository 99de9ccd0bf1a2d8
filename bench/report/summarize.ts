import type { Measurement, ProxyCost } from "../measure.ts";
import type { PathName } from "../paths/path.ts";
import type { Workload } from "../workload.ts";
import { median } from "./median.ts";

/** The medians of a path's rounds in one workload. NaN: it does not apply. */
export interface Summary {
  readonly workload: string;
  readonly path: PathName;
  /** In the unit's `rateLabel`. */
  readonly rate: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  /** Of the round in which it was lowest: what else happens on the machine only adds to it. */
  readonly lowestP99Ms: number;
  /** Of all rounds together. */
  readonly failures: number;
  /** CPU milliseconds of all proxies of the path for the unit's `costCount`. */
  readonly cpuMs: number;
  /** The same of each round. */
  readonly cpuMsOfRounds: ReadonlyMap<number, number>;
  /** vCPU of all proxies of the path. */
  readonly vcpu: number;
  /** How many processes the path has. */
  readonly processes: number;
  /** All proxies of the path together, as the other memory. */
  readonly residentMb: number;
  readonly privateMb: number;
  /** From the window's begin to its peak, of that process which grew most. */
  readonly grownMb: number;
  /** What idle connections added. */
  readonly addedMb: number;
}

/** One summary for each path and workload that was measured, workload by workload. */
export function summarizeAll(measurements: readonly Measurement[], workloads: readonly Workload[]): readonly Summary[] {
  return workloads.flatMap((workload) => {
    const own = measurements.filter((one) => one.workload === workload.name);
    const paths = [...new Set(own.map(({ path }) => path))];
    return paths.map((path) =>
      summarize(
        own.filter((one) => one.path === path),
        workload,
        path,
      ),
    );
  });
}

function summarize(rounds: readonly Measurement[], workload: Workload, path: PathName): Summary {
  const medianOf = (value: (one: Measurement) => number): number => median(rounds.map(value));
  const { costCount, rateFactor } = workload.unit;
  const cpuMs = (one: Measurement): number => (sumOf(one, "cpuMs") / one.load.count) * costCount;
  return {
    workload: workload.name,
    path,
    rate: medianOf(({ load }) => (load.count / load.seconds) * rateFactor),
    p50Ms: medianOf(({ load }) => load.latencyMs?.p50 ?? Number.NaN),
    p90Ms: medianOf(({ load }) => load.latencyMs?.p90 ?? Number.NaN),
    p99Ms: medianOf(({ load }) => load.latencyMs?.p99 ?? Number.NaN),
    lowestP99Ms: Math.min(...rounds.map(({ load }) => load.latencyMs?.p99 ?? Number.NaN)),
    failures: rounds.reduce((total, { load }) => total + load.failures, 0),
    cpuMs: medianOf(cpuMs),
    cpuMsOfRounds: new Map(rounds.map((one) => [one.round, cpuMs(one)])),
    vcpu: medianOf((one) => sumOf(one, "cpuMs") / 1000 / one.load.seconds),
    processes: rounds[0]?.proxies.length ?? 0,
    residentMb: medianOf((one) => sumOf(one, "residentMb")),
    privateMb: medianOf((one) => sumOf(one, "privateMb")),
    grownMb: medianOf(({ proxies }) =>
      Math.max(...proxies.map(({ peakResidentMb, startResidentMb }) => peakResidentMb - startResidentMb)),
    ),
    addedMb: medianOf(({ load }) => load.addedPrivateMb ?? Number.NaN),
  };
}

function sumOf({ proxies }: Measurement, field: Exclude<keyof ProxyCost, "name">): number {
  return proxies.reduce((total, cost) => total + cost[field], 0);
}
