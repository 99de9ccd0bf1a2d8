import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NETNS_FOLDER } from "./network-namespace.ts";
import { removeNamespace } from "./node-network.ts";

/** The folder in which a run keeps its state, and by which a later run sees what a killed one has left. */
export interface RunFolder {
  readonly id: string;
  readonly path: string;
}

/** All runs of this machine. Only root may look: it holds a mesh's private key. */
const RUNS = "/tmp/entente-local";

/** Makes a folder for this process. */
export function createRunFolder(id: string): RunFolder {
  const path = join(RUNS, id);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  writeFileSync(join(path, "owner"), `${process.pid} ${startTimeOf(process.pid)}\n`, { mode: 0o600 });
  return { id, path };
}

/** Takes away everything that a run made outside of its processes: namespaces (with links and rules) and files. */
export function removeRun(id: string): void {
  for (const name of namespacesOf(id)) removeNamespace(name);
  rmSync(join(RUNS, id), { recursive: true, force: true });
  if (list(RUNS).length === 0) rmSync(RUNS, { recursive: true, force: true });
}

/** Cleans up after runs whose process is gone; their containers died with it. Gives the runs' ids. */
export function removeStaleRuns(): readonly string[] {
  const stale = list(RUNS).filter((id) => !isOwnerAlive(id));
  for (const id of stale) removeRun(id);
  return stale;
}

function isOwnerAlive(id: string): boolean {
  try {
    const [pid, startTime] = readFileSync(join(RUNS, id, "owner"), "utf8")
      .trim()
      .split(" ");
    return pid !== undefined && startTimeOf(Number(pid)) === startTime;
  } catch {
    return false;
  }
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

function namespacesOf(id: string): readonly string[] {
  return list(NETNS_FOLDER).filter((name) => name.startsWith(`entente-${id}-`));
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
