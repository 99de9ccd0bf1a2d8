import { median } from "./median.ts";
import type { Summary } from "./summarize.ts";

/**
 * How the CPU of one path stands to another's in the same workload: the median of the ratios of each round, in which both had
 * their turn within a minute, so that a machine that grew busier between rounds does not count. NaN: one was not measured.
 */
export function pairedRatio(one: Summary | undefined, other: Summary | undefined): number {
  if (one === undefined || other === undefined) return Number.NaN;
  const ratios = [...one.cpuMsOfRounds].flatMap(([round, cpuMs]) => {
    const reference = other.cpuMsOfRounds.get(round);
    return reference === undefined ? [] : [cpuMs / reference];
  });
  return median(ratios);
}
