import type { PathKind, PathName } from "./paths/path.ts";
import type { PathWorkload } from "./workload.ts";

/** What is measured with the same processes. */
export interface Batch {
  /** Those that are started, in this order. */
  readonly paths: readonly PathKind[];
  readonly turns: readonly Turn[];
}

export interface Turn {
  /** From 1. */
  readonly round: number;
  readonly pathName: PathName;
}

export interface BatchesOptions {
  readonly paths: readonly PathKind[];
  readonly rounds: number;
  readonly workload: Pick<PathWorkload, "application" | "needsMesh" | "startsAfresh" | "leavesOut">;
}

/**
 * The order of one workload's loads: in every round each path once, so that a machine that grows slower does so for all
 * of them. Every second round runs backwards, so that no path always follows the same one.
 */
export function planBatches({ paths, rounds, workload }: BatchesOptions): readonly Batch[] {
  const served = paths.filter((path) => isServed(path, workload));
  const turnsOf = (round: number): readonly Turn[] => {
    const names = served.map(({ name }) => name);
    return (round % 2 === 1 ? names : names.reverse()).map((pathName) => ({ round, pathName }));
  };
  const all = Array.from({ length: rounds }, (_, index) => turnsOf(index + 1));
  return workload.startsAfresh === true
    ? all.map((turns) => ({ paths: served, turns }))
    : [{ paths: served, turns: all.flat() }];
}

function isServed({ name, hops }: PathKind, workload: BatchesOptions["workload"]): boolean {
  if (workload.needsMesh === true && name === "none") return false;
  return hops[workload.application] !== undefined && workload.leavesOut?.includes(name) !== true;
}
