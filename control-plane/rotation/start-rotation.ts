import { randomBytes } from "node:crypto";
import type { Registry } from "prom-client";
import type { RotationStatus } from "../../ca-agent/authority/authority-status.ts";
import type { LiveAuthority } from "../../ca-agent/authority/live-authority.ts";
import type { CompareClock } from "../../ca-agent/authority/root-clock.ts";
import type { ControlFollower } from "../../ca-agent/control/control-store.ts";
import { describeRotation } from "../../ca-agent/rotation/describe-rotation.ts";
import { PhaseClock } from "../../ca-agent/rotation/phase-clock.ts";
import { planRotation } from "../../ca-agent/rotation/plan-rotation.ts";
import { combineReplicas, type Replica, type ReplicaReport } from "../../ca-agent/rotation/replica-report.ts";
import { findRevokedRoot } from "../../ca-agent/rotation/revoked-root.ts";
import { RotationDriver } from "../../ca-agent/rotation/rotation-driver.ts";
import { createRotationLimits, type RotationLimits } from "../../ca-agent/rotation/rotation-limits.ts";
import { fingerprintOf, type RotationEvidence, type RotationState } from "../../ca-agent/rotation/rotation-state.ts";
import type { AuthorityStore } from "../../ca-agent/rotation/storage/authority-store.ts";
import { findRootFault } from "../../ca-agent/rotation/take-step.ts";
import type { ProxyTrust } from "../../discovery/streams/stream-status.ts";
import { pause } from "../../kubernetes/bounded-call.ts";
import type { KubernetesApi } from "../../kubernetes/kubernetes-api.ts";
import { startLeaderElection } from "../../kubernetes/leases/leader-election.ts";
import type { ElectionTimes, Leadership } from "../../kubernetes/leases/term.ts";
import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger, Random } from "../../mesh/runtime.ts";
import { WakeUp } from "../../net/wake-up.ts";
import { whenAborted } from "../../net/when-aborted.ts";
import { countSidecars } from "./count-sidecars.ts";
import { CountingTime } from "./counting-time.ts";
import { OwnState } from "./own-state.ts";
import { REPLICA_TIMES, type ReplicaLeases, type ReplicaTimes, startReplicaLeases } from "./replica-leases.ts";
import { createRotationMetrics } from "./rotation-metrics.ts";

/** The authority, as far as it is rotated. */
export type RotatingAuthority = Pick<
  LiveAuthority,
  "revision" | "otherLeavesForMs" | "roots" | "signingRoot" | "subscribe"
>;

/** What a mesh's size, and the lifetime of its certificates, may change. */
export interface RotationTuning {
  /** @default by the longest lifetime of certificates */
  readonly limits?: Partial<RotationLimits>;
  /** @default client-go's */
  readonly electionTimes?: ElectionTimes;
  /** @default REPLICA_TIMES */
  readonly replicaTimes?: ReplicaTimes;
}

/** The other control planes are found, and one of them is chosen, by Leases. */
export interface RotatingCluster {
  readonly api: KubernetesApi;
  /** The mesh's root namespace. */
  readonly namespace: string;
  /** This process's pod. */
  readonly instance: string;
}

export interface StartRotationOptions {
  readonly authority: RotatingAuthority;
  readonly authorityStore: AuthorityStore;
  readonly control: ControlFollower;
  /** The proxies that are connected to this process. */
  readonly proxies: () => readonly ProxyTrust[];
  readonly trustDomain: TrustDomain;
  /** The longest lifetime of a certificate. */
  readonly maxLifetimeMs: number;
  /** Undefined: this process is alone. */
  readonly cluster: RotatingCluster | undefined;
  readonly tuning?: RotationTuning | undefined;
  /** Asked before a root is created. @default this process's clock is right */
  readonly compareClock?: CompareClock | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly registry: Registry;
  readonly signal: AbortSignal;
}

export interface Rotation {
  /** As far as this control plane knows; undefined: the authority is the operator's own. */
  status(): RotationStatus | undefined;
  /**
   * Settles soon after the signal's abort: a leader has given its lease back, and others do not wait for this process, or
   * the API did not respond in time.
   */
  readonly ended: Promise<void>;
}

/** Of the root namespace; shared by all revisions, because they share the authority. */
export const ROTATION_LEASE = "entente-root-rotation";
const MAX_CHECK_MS = 10_000;
/** For giving the leases back, while the process is waiting to exit. */
const END_MS = 4000;
/** In a mesh whose certificates last seconds, the phases are as short: so often a phase is looked at. */
const CHECKS = 10;

/**
 * Rotates the self-signed root: by an operator's request, and by age. Of several control planes the leader takes the
 * steps; each tells what it sees of its sidecars.
 */
export function startRotation(options: StartRotationOptions): Rotation {
  return options.cluster === undefined
    ? new RotationPart(options).startAlone()
    : new RotationPart(options).startAmongOthers(options.cluster);
}

class RotationPart {
  readonly #options: StartRotationOptions;
  readonly #driver: RotationDriver;
  readonly #limits: RotationLimits;
  readonly #checkMs: number;
  readonly #counting: CountingTime;
  readonly #phases: PhaseClock;
  /** The stored state, as it was read last; undefined: there is none, or the authority is the operator's own. */
  #state: RotationState | undefined;
  #others: () => readonly Replica[] = () => [];
  #isLeading = false;

  constructor(options: StartRotationOptions) {
    const { authority, authorityStore: store, registry, clock, tuning } = options;
    const limits = createRotationLimits(options.maxLifetimeMs, tuning?.limits);
    this.#options = options;
    this.#limits = limits;
    this.#phases = new PhaseClock(clock);
    this.#checkMs = Math.min(MAX_CHECK_MS, limits.publishMs / CHECKS, limits.longestLeafMs / CHECKS);
    this.#counting = new CountingTime(clock, this.#checkMs);
    const metrics = createRotationMetrics(registry, {
      phase: () => this.#state?.kind,
      sidecars: () => countSidecars(options.proxies()),
      signingRoot: () => fingerprintOf(authority.signingRoot()),
      isLeading: () => this.#isLeading,
    });
    this.#driver = new RotationDriver({
      ...options,
      ...{ store, limits, randomBytes, metrics, checkMs: this.#checkMs, phases: this.#phases },
      check: (state) => this.#check(state),
      gather: (state) => {
        this.#state = state;
        return this.#gather(state);
      },
    });
    const stopFollowing = options.control.subscribe(() => this.#driver.wake());
    options.signal.addEventListener("abort", stopFollowing, { once: true });
  }

  startAlone(): Rotation {
    const { signal } = this.#options;
    this.#isLeading = true;
    const driving = this.#driver.drive({ signal, isCurrent: () => !signal.aborted });
    return this.#started([driving, this.#follow(() => undefined)]);
  }

  startAmongOthers(cluster: RotatingCluster): Rotation {
    const { api, namespace, instance } = cluster;
    const { electionTimes, replicaTimes = REPLICA_TIMES } = this.#options.tuning ?? {};
    const replicas = startReplicaLeases({
      ...this.#options,
      ...{ api, namespace, instance, times: replicaTimes },
      report: () => this.#report(),
    });
    this.#others = () => replicas.others();
    const election = startLeaderElection({
      ...this.#options,
      ...{ api, instance, randomBytes, lease: { namespace, name: ROTATION_LEASE } },
      ...(electionTimes && { times: electionTimes }),
      lead: (leadership) => this.#lead(leadership, replicas),
    });
    return this.#started([election.ended, replicas.ended, this.#follow(() => replicas.beat())]);
  }

  #started(parts: readonly Promise<void>[]): Rotation {
    const { clock, signal } = this.#options;
    const limit = whenAborted(signal).then(() => pause(clock, END_MS, new AbortController().signal));
    return { status: () => this.#status(), ended: Promise.race([Promise.all(parts).then(() => undefined), limit]) };
  }

  async #lead(leadership: Leadership, replicas: ReplicaLeases): Promise<void> {
    this.#isLeading = true;
    try {
      await Promise.race([replicas.synced, whenAborted(leadership.signal)]);
      await Promise.all([this.#driver.drive(leadership), replicas.clean(leadership.signal)]);
    } finally {
      this.#isLeading = false;
    }
  }

  /** Knows the stored state, and tells the others at once when this process has another one in force. */
  async #follow(onRevision: () => void): Promise<void> {
    const { authority, authorityStore: store, clock, signal, log } = this.#options;
    const wakeUp = new WakeUp();
    const unsubscribe = authority.subscribe(() => wakeUp.wake());
    const own = new OwnState({ ...this.#options, store });
    let revision = authority.revision();
    let reported = "";
    while (!signal.aborted) {
      this.#counting.forMs();
      try {
        const stored = await store.read();
        this.#state = stored.kind === "root" ? stored.state : undefined;
        // From now on its time counts, should this process become the leader.
        if (this.#state !== undefined) this.#phases.phaseMs(this.#state);
        await own.compare(stored);
        reported = "";
      } catch (caught) {
        const { code, message } = MeshError.from(caught);
        const fields = { component: "control-plane", code, reason: message };
        if (code !== reported && !signal.aborted)
          log.warn(fields, "the state of the root's rotation cannot be read or stored");
        reported = code;
      }
      if (authority.revision() !== revision) onRevision();
      revision = authority.revision();
      await wakeUp.wait(clock, this.#checkMs, signal);
    }
    unsubscribe();
  }

  #status(): RotationStatus | undefined {
    const { clock } = this.#options;
    const limits = this.#limits;
    const state = this.#state;
    if (state === undefined) return undefined;
    const evidence = { ...this.#gather(state), fault: undefined };
    const phaseMs = this.#phases.peekMs(state);
    const plan = planRotation(state, evidence, { nowMs: clock.now(), phaseMs, limits });
    return describeRotation(state, plan, this.#driver.failure);
  }

  async #check(state: RotationState): Promise<string | undefined> {
    const { control, clock } = this.#options;
    const revoked = findRevokedRoot(state, control.current().revocations, clock.now());
    return revoked ?? (await findRootFault(state, { ...this.#options, randomBytes }));
  }

  #gather(state: RotationState): Omit<RotationEvidence, "fault"> {
    const { control } = this.#options;
    const requested = control.current().rotation;
    return {
      request: requested && { kind: requested.kind ?? "rotate", requestId: requested.requestId },
      ...combineReplicas([{ kind: "live", report: this.#report(state) }, ...this.#others()], state),
    };
  }

  /** A steady root needs no counts, and there may be ten thousand sidecars. */
  #report(state = this.#state): ReplicaReport {
    const { authority, proxies } = this.#options;
    return {
      revision: authority.revision(),
      countingForMs: this.#counting.forMs(),
      otherLeavesForMs: Math.max(0, authority.otherLeavesForMs() + this.#limits.clockErrorMs),
      sidecars: countSidecars(state === undefined || state.kind === "steady" ? [] : proxies()),
    };
  }
}
