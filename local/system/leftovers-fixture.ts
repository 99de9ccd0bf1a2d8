/** For tests: what runs of local pods left behind on this machine. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { NETNS_FOLDER } from "../network/network-namespace.ts";
import { LINK_PREFIX } from "../network/node-network.ts";
import { SERVICES_CHAIN } from "../network/service-rules.ts";
import { RUNS_FOLDER } from "../run-folder.ts";

/**
 * What these processes left behind, each entry with its kind: resources of their runs, and namespaces of tests with the
 * name `entente-test-PID`. Only our own names count: other programs, and other runs of this project, may create
 * namespaces, links, rules and mounts at any time.
 */
export function leftoversOf(ownerPids: readonly (number | undefined)[] = [process.pid]): readonly string[] {
  const isOwn = (text: string): boolean =>
    ownerPids.some((pid) => pid !== undefined && new RegExp(`\\b${pid}(?:s\\d+)?\\b`).test(text));
  return [
    ...list(NETNS_FOLDER)
      .filter((name) => name.startsWith("entente-") && isOwn(name))
      .map(named("network namespace")),
    ...list(RUNS_FOLDER).filter(isOwn).map(named("run folder")),
    ...linesOf("/proc/self/mounts")
      .filter((line) => line.includes(RUNS_FOLDER) && isOwn(line))
      .map(named("mount")),
    ...containersOf(ownerPids).map(named("process")),
    ...outsideOfNamespaces(),
  ];
}

/**
 * The processes of these runs' containers, recognised by mounted files of the run's folder.
 * @returns their ids
 */
export function containersOf(ownerPids: readonly (number | undefined)[]): readonly string[] {
  const folder = RUNS_FOLDER.slice(RUNS_FOLDER.lastIndexOf("/"));
  const isOwn = (line: string): boolean => ownerPids.some((pid) => line.includes(`${folder}/${pid}s`));
  // A zombie process has no command line.
  return list("/proc").filter(
    (pid) => /^\d+$/.test(pid) && linesOf(`/proc/${pid}/mountinfo`).some(isOwn) && linesOf(`/proc/${pid}/cmdline`)[0],
  );
}

/** Our links and rules belong in our namespaces; no run may create one in the host's. */
function outsideOfNamespaces(): readonly string[] {
  return [
    ...outputOf("ip", ["-o", "link"])
      .filter((line) => line.includes(`: ${LINK_PREFIX}`))
      .map(named("link")),
    ...outputOf("iptables-save", [])
      .filter((line) => line.includes(SERVICES_CHAIN))
      .map(named("rule")),
  ];
}

function named(kind: string): (entry: string) => string {
  return (entry) => `${kind}: ${entry}`;
}

function outputOf(program: string, args: readonly string[]): readonly string[] {
  return spawnSync(program, args, { encoding: "utf8" }).stdout.split("\n");
}

function linesOf(file: string): readonly string[] {
  try {
    return readFileSync(file, "utf8").split("\n");
  } catch {
    return [];
  }
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
}
