import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { startChild } from "../processes/child.ts";
import { Forked } from "../processes/forked.ts";
import { readCpuMs, readMemory, readPeakMb, readResidentMb } from "../processes/process-stats.ts";
import { type ChangeTimes, judgeChanges } from "./judge-changes.ts";
import { type FromSidecars, machineMs, type PodReplaced, type SeenVersion, type ToSidecars } from "./messages.ts";
import { type RunningControlPlane, ScaleMesh } from "./scale-mesh.ts";
import type { ScaleOptions } from "./scale-options.ts";
import { type MeshSize, Topology } from "./topology.ts";

export interface ScalePlan extends Pick<ScaleOptions, "size" | "rate" | "seconds"> {
  /** Before memory is read: its peak is given back some seconds after a start. @default 15000, and 2000 of one sidecar */
  readonly settleMs?: number;
}

/** What was measured; sizes in MB, times in milliseconds. */
export interface ScaleFigures {
  /** From the start of the control plane's process until every subscription of every sidecar has its first value. */
  readonly coldStartMs: number;
  /** The same after the control plane was replaced: until every sidecar has acknowledged that its values are current. */
  readonly replacedMs: number;
  readonly changes: ChangeTimes;
  /** Processors that the control plane used while pods changed. */
  readonly cores: number;
  /** Resident memory of the control plane: after the cold start, after the changes, and at most. */
  readonly idleMb: number;
  readonly changingMb: number;
  readonly peakMb: number;
  /** Private memory of one sidecar with ten destinations, in a mesh of ten services and in this one. */
  readonly sidecarInSmallMb: number;
  readonly sidecarInLargeMb: number;
}

const SIDECAR_PROCESSES = 2;
const START_LIMIT_MS = 300_000;
const REPLACE_LIMIT_MS = 180_000;
const SETTLE_MS = 15_000;
const SIDECAR_SETTLE_MS = 2000;
/** A change that has not arrived after this time is lost. */
const GRACE_MS = 20_000;
const POLL_MS = 500;
const SMALL: MeshSize = { services: 10, pods: 40, sidecars: 1, used: 10 };

export async function measureScale(
  plan: ScalePlan,
  { onProgress, signal }: { readonly onProgress: (step: string) => void; readonly signal: AbortSignal },
): Promise<ScaleFigures> {
  onProgress("a small mesh");
  const sidecarInSmallMb = await inMesh(SMALL, signal, async (mesh) => {
    await mesh.startControlPlane();
    return await measureSidecar(mesh, plan);
  });
  onProgress(`a mesh of ${plan.size.services} services and ${plan.size.pods} pods`);
  const figures = await inMesh(plan.size, signal, (mesh) => measureMesh(mesh, plan, { onProgress, signal }));
  return { ...figures, sidecarInSmallMb };
}

async function inMesh<Result>(
  size: MeshSize,
  signal: AbortSignal,
  measure: (mesh: ScaleMesh) => Promise<Result>,
): Promise<Result> {
  const mesh = await ScaleMesh.create(size, limited(signal, START_LIMIT_MS));
  try {
    return await measure(mesh);
  } finally {
    await mesh.stop();
  }
}

async function measureMesh(
  mesh: ScaleMesh,
  plan: ScalePlan,
  { onProgress, signal }: { readonly onProgress: (step: string) => void; readonly signal: AbortSignal },
): Promise<Omit<ScaleFigures, "sidecarInSmallMb">> {
  onProgress(`${plan.size.sidecars} sidecars`);
  const sidecars = await startSidecars(mesh, limited(signal, START_LIMIT_MS));
  try {
    onProgress("a cold start");
    const haveState = sidecars.map((process) => process.next("have-state", limited(signal, START_LIMIT_MS)));
    const first = await mesh.startControlPlane();
    const reports = await Promise.all(haveState);
    const coldStartMs = Math.max(...reports.map(({ atMs }) => atMs)) - first.startedMs;
    await mesh.allSynced(limited(signal, REPLACE_LIMIT_MS));
    await delay(plan.settleMs ?? SETTLE_MS, undefined, { signal });
    const idleMb = readResidentMb(first.child.pid);
    onProgress(`${plan.rate} pods replaced a second, for ${plan.seconds} s`);
    const changing = await measureChanges(mesh, sidecars, { control: first, plan, signal });
    const peakMb = readPeakMb(first.child.pid);
    onProgress("a sidecar's memory");
    const sidecarInLargeMb = await measureSidecar(mesh, plan);
    onProgress("another control plane");
    await mesh.killControlPlane(first);
    const { startedMs } = await mesh.startControlPlane();
    await mesh.allSynced(limited(signal, REPLACE_LIMIT_MS));
    const replacedMs = machineMs() - startedMs;
    return { coldStartMs, replacedMs, ...changing, idleMb, peakMb, sidecarInLargeMb };
  } finally {
    await Promise.all(sidecars.map((process) => process.stop()));
  }
}

type Sidecars = Forked<ToSidecars, FromSidecars>;

/** They try to connect from now on. */
async function startSidecars(mesh: ScaleMesh, signal: AbortSignal): Promise<readonly Sidecars[]> {
  const { sidecars } = mesh.size;
  const count = Math.min(SIDECAR_PROCESSES, sidecars);
  const bounds = Array.from({ length: count + 1 }, (_, index) => Math.floor((index * sidecars) / count));
  return await Promise.all(
    bounds.slice(0, count).map(async (from, index) => {
      const forked: Sidecars = new Forked(new URL("sidecars-process.ts", import.meta.url));
      forked.send({ kind: "start", job: mesh.sidecars(from, (bounds[index + 1] ?? sidecars) - from) });
      await forked.next("started", signal);
      return forked;
    }),
  );
}

interface Changing {
  readonly control: RunningControlPlane;
  readonly plan: ScalePlan;
  readonly signal: AbortSignal;
}

async function measureChanges(mesh: ScaleMesh, sidecars: readonly Sidecars[], { control, plan, signal }: Changing) {
  const { pid } = control.child;
  const changes: PodReplaced[] = [];
  mesh.apiServer.onMessage((message) => {
    if (message.kind === "replaced") changes.push(message);
  });
  const cpuMs = readCpuMs(pid);
  const startMs = machineMs();
  for (let change = 0; change < plan.rate * plan.seconds; change += 1) {
    const waitMs = startMs + (change * 1000) / plan.rate - machineMs();
    if (waitMs > 0) await delay(waitMs, undefined, { signal });
    mesh.apiServer.send({ kind: "replace-pod", change });
  }
  const cores = (readCpuMs(pid) - cpuMs) / (machineMs() - startMs);
  const changingMb = readResidentMb(pid);
  const usersOf = countUsers(plan.size);
  const endMs = machineMs() + GRACE_MS;
  for (;;) {
    await delay(POLL_MS, undefined, { signal });
    const judged = judgeChanges(changes, await collectReports(sidecars, limited(signal, 60_000)), usersOf);
    if (judged.incomplete === 0 || machineMs() > endMs) return { changes: judged, cores, changingMb };
  }
}

function collectReports(
  sidecars: readonly Sidecars[],
  signal: AbortSignal,
): Promise<readonly (readonly SeenVersion[])[]> {
  return Promise.all(
    sidecars.map(async (process) => {
      const report = process.next("seen", signal);
      process.send({ kind: "report" });
      return (await report).versions;
    }),
  );
}

function countUsers(size: MeshSize): (service: number) => number {
  const topology = new Topology(size);
  const users = new Map<number, number>();
  for (let number = 0; number < size.sidecars; number += 1) {
    for (const service of topology.sidecar(number).services) users.set(service, (users.get(service) ?? 0) + 1);
  }
  return (service) => users.get(service) ?? 0;
}

/** Of the first pod. */
async function measureSidecar(mesh: ScaleMesh, { settleMs = SIDECAR_SETTLE_MS }: ScalePlan): Promise<number> {
  const program = fileURLToPath(new URL("one-sidecar-process.ts", import.meta.url));
  const job = JSON.stringify(mesh.sidecars(0, 1));
  const child = await startChild({ command: [process.execPath, "--expose-gc", program, job], readiness: "line" });
  try {
    await delay(settleMs);
    return readMemory(child.pid).privateMb;
  } finally {
    await child.stop();
  }
}

function limited(signal: AbortSignal, limitMs: number): AbortSignal {
  return AbortSignal.any([signal, AbortSignal.timeout(limitMs)]);
}
