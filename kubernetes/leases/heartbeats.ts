import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import { WakeUp } from "../../net/wake-up.ts";
import { KINDS } from "../kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../kubernetes-api.ts";
import { formatNewLease, type LeaseName } from "./lease-record.ts";

/** In milliseconds. */
export interface HeartbeatTimes {
  readonly intervalMs: number;
  /** So long after its last heartbeat a process counts as gone, in whole seconds. */
  readonly leaseMs: number;
}

export interface HeartbeatOptions {
  readonly api: Pick<KubernetesApi, "apply" | "delete">;
  /** This process's own. */
  readonly lease: LeaseName;
  /** By which others find the Leases of all such processes. */
  readonly labels: Readonly<Record<string, string>>;
  /** Names the process, for people: its pod. */
  readonly instance: string;
  /** What the process says of itself; computed for each heartbeat. */
  readonly annotations: () => Readonly<Record<string, string>>;
  readonly times: HeartbeatTimes;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Ends it; the Lease is deleted, so that nobody waits for this process. */
  readonly signal: AbortSignal;
}

export interface Heartbeat {
  /** Does not wait for the next turn: what the process says has changed. */
  beat(): void;
  /** Settles when the Lease was deleted. */
  readonly ended: Promise<void>;
}

/** For deleting the Lease at the end; the process is waiting to exit. */
const DELETE_MS = 2000;
/** Processes that were started together should not write together. */
const JITTER = 0.2;

/** Renews a Lease of this process's own until the signal aborts, so that others see that it lives and what it says. */
export function startHeartbeat(options: HeartbeatOptions): Heartbeat {
  const wakeUp = new WakeUp();
  return { beat: () => wakeUp.wake(), ended: run(options, wakeUp) };
}

async function run(options: HeartbeatOptions, wakeUp: WakeUp): Promise<void> {
  const { clock, random, signal, times } = options;
  let reported = "";
  while (!signal.aborted) {
    reported = await renew(options).then(
      () => "",
      (caught: unknown) => report(caught, reported, options),
    );
    await wakeUp.wait(clock, times.intervalMs * (1 - random() * JITTER), signal);
  }
  await remove(options);
}

async function renew({ api, lease, instance, labels, annotations, times, clock, signal }: HeartbeatOptions) {
  const object = formatNewLease(lease, instance, times.leaseMs, clock.now());
  const metadata = { ...object.metadata, labels, annotations: annotations() };
  // By force: what an earlier process of this pod has written is replaced.
  const limits = { force: true, timeoutMs: times.intervalMs, signal };
  return await api.apply(KINDS.leases, { ...object, metadata } satisfies KubernetesObject, limits);
}

async function remove({ api, lease, log }: HeartbeatOptions): Promise<void> {
  try {
    await api.delete(KINDS.leases, lease, { timeoutMs: DELETE_MS });
  } catch (caught) {
    const { code, message } = MeshError.from(caught);
    const fields = { component: "kubernetes", code, lease: lease.name, reason: message };
    log.warn(fields, "the Lease of this process could not be deleted: others wait until it has expired");
  }
}

/** The same failure once, until a heartbeat succeeds. */
function report(caught: unknown, reported: string, { log, lease, signal }: HeartbeatOptions): string {
  const { code, message } = MeshError.from(caught);
  if (!signal.aborted && code !== reported) {
    const fields = { component: "kubernetes", code, lease: lease.name, reason: message };
    log.warn(fields, "the Lease of this process could not be renewed; it is tried again");
  }
  return code;
}
