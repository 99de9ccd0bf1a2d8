import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LocalError } from "./local-error.ts";
import { NETNS_FOLDER } from "./network/network-namespace.ts";
import { removeNamespace } from "./network/node-network.ts";

/** The folder in which a run keeps its state, and by which a later run sees what a killed one has left. */
export interface RunFolder {
  readonly id: string;
  readonly path: string;
}

/** All runs of this machine. Under /run, where root alone makes names, and closed to others: it holds a mesh's key. */
export const RUNS_FOLDER = "/run/entente-local";

/**
 * Makes a folder for this process. Its name, which stands in the names of the run's namespaces too, tells whose it is:
 * the process's id and when it started. A process can be in one network namespace only, and so has one cluster.
 */
export function createRunFolder(): RunFolder {
  const id = `${process.pid}s${startTimeOf(process.pid)}`;
  const path = join(RUNS_FOLDER, id);
  if (existsSync(path)) throw new LocalError("busy", "this process runs a cluster already; stop that one first");
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return { id, path };
}

/** The name of one of a run's network namespaces. */
export function namespaceName(runId: string, part: "node" | `pod${number}`): string {
  return `entente-${runId}-${part}`;
}

/** Takes away everything that a run made: namespaces with their processes, links and rules, and files. */
export function removeRun(id: string): void {
  for (const name of list(NETNS_FOLDER)) {
    if (runOf(name) === id) removeNamespace(name);
  }
  rmSync(join(RUNS_FOLDER, id), { recursive: true, force: true });
  try {
    rmdirSync(RUNS_FOLDER);
  } catch {
    // Another run is in it.
  }
}

/** The runs that have a folder or a namespace, and the process that each belongs to while that lives. */
export function listRuns(): readonly { readonly id: string; readonly ownerPid: number | undefined }[] {
  const ids = new Set([...list(RUNS_FOLDER), ...list(NETNS_FOLDER).flatMap((name) => runOf(name) ?? [])]);
  return [...ids].map((id) => ({ id, ownerPid: isOwnerAlive(id) ? Number.parseInt(id, 10) : undefined }));
}

/** Cleans up after runs whose process is gone. Gives the runs' ids. */
export function removeStaleRuns(): readonly string[] {
  const stale = listRuns().flatMap(({ id, ownerPid }) => (ownerPid === undefined ? [id] : []));
  for (const id of stale) removeRun(id);
  return stale;
}

function runOf(namespace: string): string | undefined {
  return /^entente-(\d+s\d+)-(?:node|pod\d+)$/.exec(namespace)?.[1];
}

function isOwnerAlive(id: string): boolean {
  const [pid, startTime] = id.split("s");
  return startTime !== undefined && startTimeOf(Number(pid)) === startTime;
}

/**
 * A process's start, in the kernel's ticks: an id that was given to another process does not match. A process that has
 * ended and that nobody has waited for yet (a zombie) has none.
 */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? undefined : fields[18];
  } catch {
    return undefined;
  }
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
