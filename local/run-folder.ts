import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { LocalError } from "./local-error.ts";
import { NETNS_FOLDER } from "./network/network-namespace.ts";
import { removeNamespace } from "./network/node-network.ts";

/** The folder with a run's state; a later run uses it to clean up after a killed one. */
export interface RunFolder {
  readonly id: string;
  readonly path: string;
}

/** The folder of all runs. It is in /run, where only root can create files, and private: it contains a mesh's key. */
export const RUNS_FOLDER = "/run/entente-local";

/** Where a run has the files of its certificate authority. @param path of the run's folder */
export function authorityFolder(path: string): string {
  return join(path, "ca");
}

/**
 * Creates a folder for this process. Its name, which is also part of the run's namespace names, identifies the owner:
 * the process id and its start time. A process can be in only one network namespace, so it has only one cluster.
 */
export function createRunFolder(): RunFolder {
  const id = `${process.pid}s${startTimeOf(process.pid)}`;
  const path = join(RUNS_FOLDER, id);
  if (existsSync(path)) throw new LocalError("busy", "this process already runs a cluster; stop it first");
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return { id, path };
}

/** The name of one of a run's network namespaces. */
export function namespaceName(runId: string, part: "node" | `pod${number}`): string {
  return `entente-${runId}-${part}`;
}

/** Removes everything that a run created: namespaces with their processes, links and rules, and files. */
export function removeRun(id: string): void {
  for (const name of list(NETNS_FOLDER)) {
    if (runOf(name) === id) removeNamespace(name);
  }
  rmSync(join(RUNS_FOLDER, id), { recursive: true, force: true });
  try {
    rmdirSync(RUNS_FOLDER);
  } catch {
    // Another run uses it.
  }
}

/** The runs that have a folder or a namespace, each with the process that owns it if that is alive. */
export function listRuns(): readonly { readonly id: string; readonly ownerPid: number | undefined }[] {
  const ids = new Set([...list(RUNS_FOLDER), ...list(NETNS_FOLDER).flatMap((name) => runOf(name) ?? [])]);
  return [...ids].map((id) => ({ id, ownerPid: isOwnerAlive(id) ? Number.parseInt(id, 10) : undefined }));
}

/** Cleans up after runs whose process has exited. Returns their ids. */
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

/** A process's start time in kernel ticks: it does not match if the id was reused. A zombie has none. */
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
