import { runAutocannon } from "./load/autocannon.ts";
import type { LoadResult } from "./load/load-result.ts";
import { runWrk } from "./load/wrk.ts";
import type { CertificateFiles } from "./paths/certificates.ts";
import type { StartedPath } from "./paths/path.ts";

/** What is asked of a path. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly unit: WorkloadUnit;
  /** It speaks to the mesh port itself, so there must be one. */
  readonly needsMesh: boolean;
  readonly run: (target: WorkloadTarget) => Promise<LoadResult>;
}

/** What the load counts, and how its figures are told. */
export interface WorkloadUnit {
  readonly costLabel: string;
  /** How many of what is counted a cost is told for. */
  readonly costCount: number;
  readonly rateLabel: string;
  /** Times what is counted a second. */
  readonly rateFactor: number;
}

export interface WorkloadTarget {
  readonly path: StartedPath;
  readonly certificates: CertificateFiles;
  readonly seconds: number;
  readonly hasWrk: boolean;
}

const REQUESTS: WorkloadUnit = {
  costLabel: "CPU ms/1,000 requests",
  costCount: 1000,
  rateLabel: "requests/s",
  rateFactor: 1,
};

export const WORKLOADS: readonly Workload[] = [
  {
    name: "small-get",
    title: "small GET, keep-alive, 32 connections",
    unit: REQUESTS,
    needsMesh: false,
    run: (target) => runKeepAlive(target, "/small", 32),
  },
  {
    name: "body-1mb",
    title: "answers of 1 MB, keep-alive, 8 connections",
    unit: REQUESTS,
    needsMesh: false,
    run: (target) => runKeepAlive(target, "/1m", 8),
  },
];

function runKeepAlive(target: WorkloadTarget, file: string, connections: number): Promise<LoadResult> {
  const load = { url: `http://127.0.0.1:${target.path.port}${file}`, seconds: target.seconds, connections };
  return target.hasWrk ? runWrk(load) : runAutocannon(load);
}
