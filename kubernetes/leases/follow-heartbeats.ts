import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import { KINDS } from "../kinds.ts";
import type { KubernetesApi, KubernetesObject } from "../kubernetes-api.ts";
import { type ObjectChange, withoutManagedFields } from "../reflector/object-store.ts";
import { startReflector } from "../reflector/reflector.ts";
import type { HeartbeatTimes } from "./heartbeats.ts";
import { isExpired, type ObservedLease, observeLease } from "./observed-lease.ts";

export interface FollowHeartbeatsOptions {
  readonly api: KubernetesApi;
  readonly namespace: string;
  /** `name=value`. */
  readonly labelSelector: string;
  readonly times: HeartbeatTimes;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** A process that renews its Lease, or did. */
export interface FollowedProcess {
  /** Of its Lease. */
  readonly name: string;
  readonly annotations: Readonly<Record<string, string>>;
  /** Whether it was silent for longer than its Lease lasts. */
  readonly isExpired: boolean;
  /** Since its last heartbeat, or since it was first seen. */
  readonly silentMs: number;
}

export interface FollowedHeartbeats {
  /** Resolves when all Leases were listed once. */
  readonly synced: Promise<void>;
  processes(): readonly FollowedProcess[];
}

/** The processes that have a heartbeat with a label. Whether one has expired is judged by our own clock. */
export function followHeartbeats(options: FollowHeartbeatsOptions): FollowedHeartbeats {
  const { namespace, labelSelector, clock, times, signal } = options;
  const observed = new Map<string, ObservedLease>();
  const onChanges = (changes: readonly ObjectChange<KubernetesObject>[]): void => {
    for (const { kind, key, object } of changes) {
      if (kind === "delete") observed.delete(key);
      else observed.set(key, observeLease(observed.get(key), object, clock.monotonicMs()));
    }
  };
  const reflector = startReflector(options, {
    selection: { kind: KINDS.leases, namespace, labelSelector },
    transform: withoutManagedFields,
    onChanges,
    // A watch that brings nothing is broken, and must not make the others look expired.
    silenceMs: Math.min(times.intervalMs * 3, times.leaseMs / 2),
    signal,
  });
  return {
    synced: reflector.synced,
    processes: () =>
      [...reflector.objects].map(([key, { metadata }]) => {
        const one = observed.get(key);
        const nowMs = clock.monotonicMs();
        const { name, annotations = {} } = metadata;
        const silentMs = nowMs - (one?.sinceMs ?? nowMs);
        return { name, annotations, silentMs, isExpired: one !== undefined && isExpired(one, nowMs) };
      }),
  };
}
