import type { LoadResult } from "./load/load-result.ts";
import type { CertificateFiles } from "./paths/certificates.ts";
import type { ApplicationProtocol, PathName, StartedPath } from "./paths/path.ts";

/** What is measured, as far as a report needs to know. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly unit: WorkloadUnit;
}

/** What the load counts, and the units of its figures. */
export interface WorkloadUnit {
  readonly costLabel: string;
  /** How many of what is counted a cost is given for. */
  readonly costCount: number;
  readonly rateLabel: string;
  /** Times what is counted a second. */
  readonly rateFactor: number;
}

/** What is asked of a path on loopback. */
export interface PathWorkload extends Workload {
  /** What client and backend speak. */
  readonly application: ApplicationProtocol;
  /** The load generator that it cannot do without. */
  readonly program?: "h2load";
  /** Paths that would tell nothing new in it, and take the run's time. */
  readonly leavesOut?: readonly PathName[];
  /** It speaks to the mesh port itself, so there must be one. */
  readonly needsMesh?: boolean;
  /** It asks for memory, so every round has processes that have served nothing but the warm-up. */
  readonly startsAfresh?: boolean;
  readonly run: (target: WorkloadTarget) => Promise<LoadResult>;
}

export interface WorkloadTarget {
  readonly path: StartedPath;
  readonly certificates: CertificateFiles;
  readonly seconds: number;
  readonly isWarmUp: boolean;
  readonly hasWrk: boolean;
}

export const REQUESTS: WorkloadUnit = {
  costLabel: "CPU ms/1,000 requests",
  costCount: 1000,
  rateLabel: "requests/s",
  rateFactor: 1,
};
