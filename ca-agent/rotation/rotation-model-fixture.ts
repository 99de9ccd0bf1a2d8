/** For tests: a mesh whose root is rotated, with control planes that fail, as plain values. */
import { ModelSteps, nameOf, namesOf, ROOT_NAMES } from "./model-steps-fixture.ts";
import { PhaseClock } from "./phase-clock.ts";
import { planRotation } from "./plan-rotation.ts";
import { NOW_MS, STEADY } from "./rotation-fixture.ts";
import { createRotationLimits, type RotationLimits } from "./rotation-limits.ts";
import type { RotationEvidence, RotationRequest, RotationState } from "./rotation-state.ts";
import { countPhase } from "./rotation-steps.ts";

export const LEAF_MS = 1000;
/** Centuries. */
const NEVER_MS = 1e13;
/** Without limits of patience: what is never given up must hold alone. */
export const MODEL_LIMITS: RotationLimits = createRotationLimits(LEAF_MS, {
  ...{ publishMs: 60, earlyPublishMs: 150, publishLimitMs: NEVER_MS, retireLimitMs: NEVER_MS },
  ...{ clockErrorMs: 10, settleMs: 20, countMs: 300 },
});

interface Replica {
  /** "cut": it signs, but neither follows nor reports. */
  status: "up" | "cut" | "down";
  inForce: RotationState;
  startedMs: number;
  /** By root: the end of its last leaf. Forgotten at a restart. */
  signedUntilMs: Map<string, number>;
  /** New with each start. */
  phases: PhaseClock;
}

interface Sidecar {
  replica: Replica | undefined;
  trusted: readonly string[];
  leaf: { readonly root: string; readonly endMs: number } | undefined;
}

interface ReplicaAction {
  readonly kind: "follow" | "cut" | "heal" | "kill" | "restart";
  readonly replica: number;
}

export type ModelAction =
  | { readonly kind: "pass"; readonly ms: number }
  | ReplicaAction
  /** All control planes run and follow, and all connected sidecars are up to date. */
  | { readonly kind: "recover" }
  /** All control planes end and start again. */
  | { readonly kind: "roll_out" }
  | { readonly kind: "connect"; readonly sidecar: number; readonly replica: number }
  | { readonly kind: "disconnect" | "receive"; readonly sidecar: number }
  | { readonly kind: "renew"; readonly sidecar: number; readonly lifetimeMs: number }
  | { readonly kind: "request"; readonly request: RotationRequest["kind"] }
  | { readonly kind: "fault"; readonly isFound: boolean }
  | LeadAction;

/** A control plane leads: it looks and acts. */
interface LeadAction {
  readonly kind: "lead";
  readonly replica: number;
  /** It ends before it has written. */
  readonly isKilled: boolean;
  /** It has read the state before the last. */
  readonly isStale: boolean;
  /** By so much its wall clock is wrong at this moment. */
  readonly wrongByMs: number;
}

export class RotationModel {
  nowMs = NOW_MS;
  stored: RotationState = STEADY;
  readonly visited = new Set<string>();
  readonly broken: string[] = [];
  #before: RotationState = STEADY;
  #request: RotationRequest | undefined;
  #requests = 0;
  #fault: string | undefined;
  readonly #steps = new ModelSteps();
  /** A control plane that was cut off has ended: the leader has not seen it yet. */
  #unseenEnd = false;
  /** Since when the stored phase really lasts. */
  #phaseSinceMs = NOW_MS;
  readonly #clock = { monotonicMs: () => this.nowMs };
  readonly #replicas: readonly Replica[];
  readonly #sidecars: readonly Sidecar[];

  constructor({ replicas, sidecars }: { readonly replicas: number; readonly sidecars: number }) {
    this.#replicas = Array.from({ length: replicas }, () => ({
      ...{ status: "up" as const, inForce: STEADY, startedMs: NOW_MS, signedUntilMs: new Map() },
      phases: new PhaseClock(this.#clock),
    }));
    this.#sidecars = Array.from({ length: sidecars }, () => ({ replica: undefined, trusted: [], leaf: undefined }));
  }

  act(action: ModelAction): void {
    this.#apply(action);
    this.#check(action);
  }

  #apply(action: ModelAction): void {
    switch (action.kind) {
      case "pass":
        for (const { status, phases } of this.#replicas) if (status !== "down") phases.phaseMs(this.stored);
        this.nowMs += action.ms;
        return;
      case "request":
        this.#requests += 1;
        this.#request = { kind: action.request, requestId: String(this.#requests) };
        return;
      case "fault":
        this.#fault = action.isFound ? "a fault" : undefined;
        return;
      case "lead":
        this.#lead(action);
        return;
      case "recover":
        this.#recover();
        return;
      case "roll_out":
        for (const replica of this.#replicas.keys()) {
          for (const kind of ["kill", "restart"] as const) this.#useReplica({ kind, replica });
        }
        return;
      case "connect":
      case "disconnect":
      case "receive":
      case "renew":
        this.#useSidecar(action);
        return;
      default:
        this.#useReplica(action);
        return;
    }
  }

  #useReplica({ kind, replica: index }: ReplicaAction): void {
    const replica = this.#replicas[index % this.#replicas.length];
    if (replica === undefined) return;
    if (kind === "kill") this.#kill(replica);
    if (kind === "follow" && replica.status === "up") replica.inForce = this.stored;
    if (kind === "cut" && replica.status === "up") replica.status = "cut";
    if (kind === "heal" && replica.status === "cut") replica.status = "up";
    if (kind === "restart" && replica.status === "down") {
      Object.assign(replica, { status: "up", inForce: this.stored, startedMs: this.nowMs, signedUntilMs: new Map() });
      replica.phases = new PhaseClock(this.#clock);
    }
  }

  #kill(replica: Replica): void {
    if (replica.status === "cut") this.#unseenEnd = true;
    replica.status = "down";
    for (const sidecar of this.#sidecars) if (sidecar.replica === replica) sidecar.replica = undefined;
  }

  #recover(): void {
    for (const replica of this.#replicas.keys()) {
      for (const kind of ["heal", "restart", "follow"] as const) this.#useReplica({ kind, replica });
    }
    for (const sidecar of this.#sidecars.keys()) this.#useSidecar({ kind: "renew", sidecar, lifetimeMs: LEAF_MS / 2 });
  }

  #useSidecar(action: Extract<ModelAction, { readonly sidecar: number }>): void {
    const sidecar = this.#sidecars[action.sidecar % this.#sidecars.length];
    if (sidecar === undefined) return;
    if (action.kind === "disconnect") sidecar.replica = undefined;
    if (action.kind === "connect") {
      const chosen = this.#replicas[action.replica % this.#replicas.length];
      if (chosen?.status === "down") return;
      sidecar.replica = chosen;
    }
    const { replica } = sidecar;
    if (replica === undefined) return;
    if (action.kind === "receive" || action.kind === "renew") sidecar.trusted = namesOf(replica.inForce);
    if (action.kind !== "renew") return;
    const root = nameOf(replica.inForce.current.certificatePem);
    const endMs = this.nowMs + Math.min(action.lifetimeMs, LEAF_MS);
    sidecar.leaf = { root, endMs };
    replica.signedUntilMs.set(root, Math.max(endMs, replica.signedUntilMs.get(root) ?? 0));
  }

  #lead({ replica, isKilled, isStale, wrongByMs }: LeadAction): void {
    const state = isStale ? this.#before : this.stored;
    const evidence = this.#evidence(state);
    const phaseMs = this.#replicas[replica % this.#replicas.length]?.phases.phaseMs(state) ?? 0;
    const time = { nowMs: this.nowMs + wrongByMs, phaseMs, limits: MODEL_LIMITS };
    const plan = planRotation(state, evidence, time);
    if (isKilled) return;
    this.#unseenEnd = false;
    if (plan.kind === "wait" || state.revision !== this.stored.revision) return;
    if (plan.kind === "step" && plan.to === "signing") this.#checkActivation(state);
    const input = { ...time, request: evidence.request };
    const isCounted = plan.kind === "count" && state.kind !== "steady";
    const next = isCounted ? countPhase(state, input) : this.#steps.take(state, plan, input);
    this.#before = this.stored;
    if (next.kind !== state.kind) this.#phaseSinceMs = this.nowMs;
    this.stored = next;
    this.visited.add(`${state.kind} ${next.kind}`);
  }

  #evidence(state: RotationState): RotationEvidence {
    const live = this.#replicas.filter(({ status }) => status === "up");
    const cut = this.#replicas.filter(({ status }) => status === "cut").length;
    const connected = this.#sidecars.filter(({ replica }) => replica?.status === "up");
    const count = (isCounted: (sidecar: Sidecar, root: string) => boolean): ReadonlyMap<string, number> =>
      new Map(ROOT_NAMES.map((root) => [root, connected.filter((one) => isCounted(one, root)).length]));
    const others = live.flatMap(({ inForce, signedUntilMs }) =>
      [...signedUntilMs].flatMap(([root, endMs]) => (root === nameOf(inForce.current.certificatePem) ? [] : [endMs])),
    );
    return {
      request: this.#request,
      sidecars: {
        connected: connected.length,
        rejecting: new Map(),
        trusting: count(({ trusted }, root) => trusted.includes(root)),
        holding: count(({ leaf }, root) => leaf?.root === root && leaf.endMs > this.nowMs),
      },
      rejectedRoots: new Set(),
      replicas: {
        live: live.length,
        following: live.filter(({ inForce }) => inForce.revision === state.revision).length,
        lost: cut + (this.#unseenEnd ? 1 : 0),
        otherLeavesForMs: Math.max(0, ...others.map((endMs) => endMs + MODEL_LIMITS.clockErrorMs - this.nowMs)),
      },
      completeForMs: this.nowMs - Math.max(...live.map(({ startedMs }) => startedMs)),
      fault: this.#fault,
    };
  }

  /** A root signs only after it was published for a while, and all connected sidecars trust it. */
  #checkActivation(state: RotationState): void {
    if (state.kind !== "published") return;
    if (this.nowMs - this.#phaseSinceMs < MODEL_LIMITS.publishMs)
      this.broken.push("signed before it was published long enough");
    const next = nameOf(state.next.certificatePem);
    const unaware = this.#sidecars.some(({ replica, trusted }) => replica?.status === "up" && !trusted.includes(next));
    if (unaware) this.broken.push("signed before all connected sidecars trusted it");
  }

  #check(action: ModelAction): void {
    const trusted = namesOf(this.stored);
    for (const { leaf } of this.#sidecars) {
      if (leaf === undefined || leaf.endMs <= this.nowMs || trusted.includes(leaf.root)) continue;
      this.broken.push(`${JSON.stringify(action)} left a valid certificate without a trusted root`);
    }
  }
}
