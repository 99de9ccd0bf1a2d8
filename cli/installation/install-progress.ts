import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterDeps } from "../../install/cluster/await-rollout.ts";
import type { CommandContext } from "../command.ts";

/** How installing and uninstalling report to the terminal and wait. */
export function installProgress({
  stdout,
  signal,
}: Pick<CommandContext, "stdout" | "signal">): Pick<ClusterDeps, "report" | "pause" | "signal"> {
  return {
    report: (line) => stdout(`${line}\n`),
    // The timer keeps the process alive.
    pause: async (ms, until) => await sleep(ms, undefined, { signal: until }),
    signal,
  };
}
