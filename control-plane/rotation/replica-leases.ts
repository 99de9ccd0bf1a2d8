import {
  formatReplicaReport,
  parseReplicaReport,
  type Replica,
  type ReplicaReport,
} from "../../ca-agent/rotation/replica-report.ts";
import { pause } from "../../kubernetes/bounded-call.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { followHeartbeats } from "../../kubernetes/leases/follow-heartbeats.ts";
import { type HeartbeatTimes, startHeartbeat } from "../../kubernetes/leases/heartbeats.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";

export interface ReplicaLeasesOptions {
  readonly api: KubernetesApi;
  /** The mesh's root namespace: all control planes that share the authority. */
  readonly namespace: string;
  /** This process's pod. */
  readonly instance: string;
  /** What this process says of itself. */
  readonly report: () => ReplicaReport;
  readonly times: ReplicaTimes;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** In milliseconds. */
export interface ReplicaTimes extends HeartbeatTimes {
  /** So long a silent control plane may still run and sign, before it is given up. */
  readonly lostMs: number;
}

/** Kubernetes gives up a node that does not report after five minutes. */
export const REPLICA_TIMES: ReplicaTimes = { intervalMs: 10_000, leaseMs: 40_000, lostMs: 300_000 };

export interface ReplicaLeases {
  /** All control planes but this one, as far as they are known. */
  others(): readonly Replica[];
  /** Does not wait for the next turn: what this process says has changed. */
  beat(): void;
  /** Resolves when the others were listed once. */
  readonly synced: Promise<void>;
  /** Removes the Leases of control planes that are given up, until the signal aborts. The leader does it. */
  clean(signal: AbortSignal): Promise<void>;
  /** Settles when this process's Lease was deleted. */
  readonly ended: Promise<void>;
}

const LABEL = "entente.io/replica";
const LABEL_VALUE = "control-plane";
/** Selects the Leases of all control planes of a namespace. */
export const REPLICA_LEASES = `${LABEL}=${LABEL_VALUE}`;
const REPORT_ANNOTATION = "entente.io/rotation-report";

/** What each control plane sees of the sidecars, in a Lease of its own: `entente-istiod-POD`. */
export function startReplicaLeases(options: ReplicaLeasesOptions): ReplicaLeases {
  const { api, namespace, instance, report, times, clock, log } = options;
  const name = `entente-istiod-${instance}`;
  const heartbeat = startHeartbeat({
    ...options,
    lease: { namespace, name },
    labels: { [LABEL]: LABEL_VALUE },
    annotations: () => ({ [REPORT_ANNOTATION]: formatReplicaReport(report()) }),
  });
  const followed = followHeartbeats({ ...options, labelSelector: REPLICA_LEASES });
  const clean = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const given = followed.processes().filter((one) => one.name !== name && one.silentMs > times.lostMs);
      for (const { name: lease } of given) {
        await api.delete(KINDS.leases, { namespace, name: lease }, { signal }).then(
          () => log.warn({ component: "control-plane", lease }, "a control plane that does not report is given up"),
          (caught: unknown) => reportUncleaned(caught, lease, { log, signal }),
        );
      }
      await pause(clock, times.intervalMs, signal).catch(() => undefined);
    }
  };
  return {
    synced: followed.synced,
    ended: heartbeat.ended,
    beat: heartbeat.beat,
    clean,
    others: () =>
      followed.processes().flatMap(({ name: lease, annotations, isExpired }): readonly Replica[] => {
        if (lease === name) return [];
        if (isExpired) return [{ kind: "lost" }];
        const found = parseReplicaReport(annotations[REPORT_ANNOTATION]);
        return [found === undefined ? { kind: "unreadable" } : { kind: "live", report: found }];
      }),
  };
}

function reportUncleaned(
  caught: unknown,
  lease: string,
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): void {
  if (signal.aborted) return;
  const { code, message } = MeshError.from(caught);
  log.warn(
    { component: "control-plane", code, lease, reason: message },
    "a Lease could not be deleted; it is tried again",
  );
}
