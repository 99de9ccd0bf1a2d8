/** For tests: what a run of local pods could leave on this machine. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { NETNS_FOLDER } from "../network/network-namespace.ts";
import { PROJECT_MOUNT } from "../pods/container-command.ts";
import { listRuns, RUNS_FOLDER } from "../run-folder.ts";

export interface Leftovers {
  readonly namespaces: readonly string[];
  readonly interfaces: readonly string[];
  readonly rules: readonly string[];
  readonly mounts: readonly string[];
  readonly processes: readonly string[];
  readonly runs: readonly string[];
}

/**
 * What is here now and was not before, each entry with its kind. What a killed run left before is swept by the next
 * one that starts, so less than before is fine.
 */
export function leftSince(before: Leftovers): readonly string[] {
  const now = listLeftovers();
  const newOf = (kind: keyof Leftovers): readonly string[] =>
    now[kind].filter((entry) => !before[kind].includes(entry)).map((entry) => `${kind}: ${entry}`);
  return [
    ...newOf("namespaces"),
    ...newOf("interfaces"),
    ...newOf("rules"),
    ...newOf("mounts"),
    ...newOf("processes"),
    ...newOf("runs"),
  ];
}

/** What is here now. What belongs to another run that goes on beside this is not among it. */
export function listLeftovers(): Leftovers {
  const others = listRuns().filter(({ ownerPid }) => ownerPid !== undefined && ownerPid !== process.pid);
  const isLeft = (name: string): boolean => !others.some(({ id }) => name.includes(id));
  const owners = new Set(others.map(({ ownerPid }) => ownerPid));
  return {
    namespaces: list(NETNS_FOLDER).filter(isLeft),
    interfaces: linesOf("ip", ["-o", "link"]),
    rules: linesOf("iptables-save", []).filter((line) => !line.startsWith("#")),
    mounts: readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .filter((line) => line.includes("entente")),
    processes: readdirSync("/proc").filter((pid) => isContainer(pid) && !owners.has(parentOf(pid))),
    runs: list(RUNS_FOLDER).filter(isLeft),
  };
}

function linesOf(program: string, args: readonly string[]): readonly string[] {
  return spawnSync(program, args, { encoding: "utf8" }).stdout.split("\n");
}

function parentOf(pid: string): number {
  try {
    return Number(/^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return 0;
  }
}

/** Containers see the project where it is mounted for them; whoever runs a program of theirs does so from there. */
function isContainer(pid: string): boolean {
  if (!/^\d+$/.test(pid)) return false;
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
