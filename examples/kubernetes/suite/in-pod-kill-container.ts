/**
 * Runs in a pod that shares its node's processes: ends those of a container at once, without a signal that they could handle,
 * as the kernel does when memory runs out. Prints how many there were.
 */
import { readdirSync, readFileSync } from "node:fs";

const containerId = process.argv[1] ?? "";
if (!/^[0-9a-f]{64}$/.test(containerId)) throw new Error(`not a container's id: ${containerId}`);
const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name) && groupsOf(name).includes(containerId));
for (const pid of pids) process.kill(Number(pid), "SIGKILL");
process.stdout.write(`${pids.length}\n`);

/** The control groups of a process: the last folder of a container's is named by its id. */
function groupsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cgroup`, "utf8");
  } catch {
    // It has ended meanwhile.
    return "";
  }
}
