/** For tests: memory and handles of a sidecar's process, from the kernel and V8. */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { vi } from "vitest";
import type { LocalPod } from "../pods/local-pod.ts";
import type { HeapReport } from "./heap-program-fixture.ts";
import { readConnections, runProgramIn } from "./mesh-fixture.ts";

export interface Memory {
  /** Objects and their buffers. */
  readonly heapMb: number;
  /** The process's private memory, as the kernel counts it. */
  readonly privateMb: number;
}

const MEGABYTE = 1024 ** 2;
/** The ports of a sidecar that tests read: admin views, metrics, inspector. */
const TEST_PORTS: readonly number[] = [15000, 15020, 9229];
/** The source address of its connections to its own application, and socket states as in proc(5). */
const DELIVERY_ADDRESS = "0600007F";
const ESTABLISHED = "01";
const LISTENS = "0A";

/** Starts a sidecar's inspector, which `readMemory` needs and which has some handles of its own. */
export async function openInspector(pod: LocalPod): Promise<void> {
  process.kill(pidOf(pod), "SIGUSR1");
  await vi.waitFor(() => readMemory(pod), { interval: 50, timeout: 60_000 });
}

/** The memory after a garbage collection. */
export async function readMemory(pod: LocalPod): Promise<Memory> {
  const { bytes } = await runProgramIn<HeapReport>(pod, "heap-program-fixture.ts");
  const sizes = readOf(pod, "smaps_rollup").matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB/gm);
  const privateMb = [...sizes].reduce((total, [, kilobytes]) => total + Number(kilobytes) / 1024, 0);
  return { heapMb: bytes / MEGABYTE, privateMb };
}

/**
 * The open files of a sidecar, without the connections that it keeps for later requests: those to the other sidecar are
 * in its own view, and those to its application come from the kernel. The connections of this fixture are excluded,
 * too.
 */
export async function countHandles(pod: LocalPod): Promise<number> {
  const kept = await readConnections(pod);
  const isRequested = ({ port, state }: OpenSocket): boolean => TEST_PORTS.includes(port) && state !== LISTENS;
  const others = listSockets(pod).filter((socket) => isRequested(socket) || isToApplication(socket));
  return listFiles(pod).length - kept.length - others.length;
}

/** The connections that a sidecar keeps to its application. */
export function countToApplication(pod: LocalPod): number {
  return listSockets(pod).filter(isToApplication).length;
}

/** A TCP socket of a process, from its own side. */
interface OpenSocket {
  readonly address: string;
  readonly port: number;
  readonly state: string;
}

function isToApplication({ address, state }: OpenSocket): boolean {
  return address === DELIVERY_ADDRESS && state === ESTABLISHED;
}

/** The kernel's tables contain the sockets of the whole pod. */
function listSockets(pod: LocalPod): readonly OpenSocket[] {
  const files = new Set(listFiles(pod));
  const lines = ["net/tcp", "net/tcp6"].flatMap((table) => readOf(pod, table).split("\n"));
  return lines.flatMap((line) => {
    const [, local = "", , state = "", , , , , , inode] = line.trim().split(/\s+/);
    const [address = "", port = ""] = local.split(":");
    return files.has(`socket:[${inode}]`) ? [{ address, port: Number.parseInt(port, 16), state }] : [];
  });
}

/** The target of each file descriptor. One may be closed while they are listed. */
function listFiles(pod: LocalPod): readonly string[] {
  const folder = `/proc/${pidOf(pod)}/fd`;
  return readdirSync(folder).flatMap((file) => {
    try {
      return [readlinkSync(`${folder}/${file}`)];
    } catch {
      return [];
    }
  });
}

function readOf(pod: LocalPod, file: string): string {
  return readFileSync(`/proc/${pidOf(pod)}/${file}`, "utf8");
}

function pidOf(pod: LocalPod): number {
  const pid = pod.pidOf("istio-proxy");
  if (pid === undefined) throw new Error(`the sidecar of ${pod.name} is not running`);
  return pid;
}
