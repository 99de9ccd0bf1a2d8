/** For tests: what a run of local pods could leave on this machine. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { PROJECT_MOUNT } from "./container-command.ts";
import { NETNS_FOLDER } from "./network-namespace.ts";
import { RUNS_FOLDER } from "./run-folder.ts";

export interface Leftovers {
  readonly namespaces: readonly string[];
  readonly interfaces: string;
  readonly rules: string;
  readonly mounts: readonly string[];
  readonly processes: readonly string[];
  readonly runs: readonly string[];
}

/** To be compared with what was there before. */
export function listLeftovers(): Leftovers {
  return {
    namespaces: list(NETNS_FOLDER),
    interfaces: spawnSync("ip", ["-o", "link"], { encoding: "utf8" }).stdout,
    rules: spawnSync("iptables-save", { encoding: "utf8" }).stdout.replaceAll(/^#.*$/gm, ""),
    mounts: readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .filter((line) => line.includes("entente")),
    processes: readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && isContainer(pid)),
    runs: list(RUNS_FOLDER),
  };
}

/** Containers see the project where it is mounted for them; whoever runs a program of theirs does so from there. */
function isContainer(pid: string): boolean {
  try {
    return (
      readFileSync(`/proc/${pid}/mountinfo`, "utf8").includes(` ${PROJECT_MOUNT} `) &&
      readFileSync(`/proc/${pid}/cmdline`, "utf8") !== ""
    );
  } catch {
    return false;
  }
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
