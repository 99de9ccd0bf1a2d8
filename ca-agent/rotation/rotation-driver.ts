import type { TrustDomain } from "../../mesh/identity/spiffe-id.ts";
import { MeshError } from "../../mesh/mesh-error.ts";
import type { Clock, Logger } from "../../mesh/runtime.ts";
import { WakeUp } from "../../net/wake-up.ts";
import type { CompareClock } from "../authority/root-clock.ts";
import type { RandomBytes } from "../x509/certificate.ts";
import type { PhaseClock } from "./phase-clock.ts";
import { describeRejections, planRotation, type RotationPlan } from "./plan-rotation.ts";
import type { RotationLimits } from "./rotation-limits.ts";
import type { PublishedState, RotationEvidence, RotationState, SigningState } from "./rotation-state.ts";
import type { AuthorityStore } from "./storage/authority-store.ts";
import { takeStep } from "./take-step.ts";

/** The right to write, for as long as it lasts: by a Lease, or because there is one process alone. */
export interface DrivingRight {
  readonly signal: AbortSignal;
  /** Asked before each write. */
  isCurrent(): boolean;
}

/** The counters of a driver. */
export interface DrivingMetrics {
  /** A new state was written. */
  stepped(to: RotationState["kind"]): void;
  /** Reading, preparing or writing has failed; it is tried again. */
  failed(): void;
}

export interface RotationDriverOptions {
  readonly store: AuthorityStore;
  /** What the control planes see of the mesh, but for the driver's own check. */
  readonly gather: (state: RotationState) => Omit<RotationEvidence, "fault">;
  /** Why the next root of a state cannot be used; undefined: it can. */
  readonly check: (state: RotationState) => Promise<string | undefined>;
  readonly limits: RotationLimits;
  /** Shared with all who read the state in this process. */
  readonly phases: Pick<PhaseClock, "phaseMs">;
  /** Between two looks at the state. */
  readonly checkMs: number;
  readonly trustDomain: TrustDomain;
  readonly randomBytes: RandomBytes;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: DrivingMetrics;
  /** Asked before a root is created. @default this process's clock is right */
  readonly compareClock?: CompareClock | undefined;
}

/** Lines about what a phase waits for: the counts change all the time. */
const WAITING_LINE_MS = 60_000;

/**
 * Carries the rotation of the self-signed root forward, step by step. It keeps nothing in memory but the time: each look
 * begins with the stored state, and each step is one compare-and-swap, so a driver that starts in the middle, on this machine
 * or on another, goes on from there. What fails is tried again.
 */
export class RotationDriver {
  readonly #options: RotationDriverOptions;
  readonly #wakeUp = new WakeUp();
  #reported: { readonly text: string; readonly atMs: number } | undefined;
  #failure = "";

  constructor(options: RotationDriverOptions) {
    this.#options = options;
  }

  /** Why the last step could not be taken; undefined: it could, or this process takes none. */
  get failure(): string | undefined {
    return this.#failure === "" ? undefined : this.#failure;
  }

  /** Looks at once: an operator has asked for something. */
  wake(): void {
    this.#wakeUp.wake();
  }

  /** Ends when the right ends. */
  async drive(right: DrivingRight): Promise<void> {
    this.#reported = undefined;
    while (!right.signal.aborted) {
      const isChanged = await this.#look(right).catch((caught: unknown) => this.#reportFailure(caught, right));
      if (!isChanged) await this.#wakeUp.wait(this.#options.clock, this.#options.checkMs, right.signal);
    }
    this.#failure = "";
  }

  /** @returns whether a step was taken: the next one may be due at once */
  async #look(right: DrivingRight): Promise<boolean> {
    const { store, clock, limits, phases } = this.#options;
    const stored = await store.read();
    if (stored.kind !== "root") return false;
    const { state } = stored;
    const phaseMs = phases.phaseMs(state);
    const evidence = { ...this.#options.gather(state), fault: await this.#options.check(state) };
    const plan = planRotation(state, evidence, { nowMs: clock.now(), phaseMs, limits });
    if (plan.kind === "wait") {
      this.#failure = "";
      this.#reportWaiting(state, plan.reason, evidence);
      return false;
    }
    const next = await takeStep(state, plan, { ...this.#options, phaseMs, request: evidence.request });
    if (!right.isCurrent()) return false;
    const outcome = await store.swap(stored, next);
    this.#failure = "";
    if (outcome === "stored") this.#reportStep(state, next, plan);
    return outcome === "stored";
  }

  #reportStep(before: RotationState, after: RotationState, plan: Exclude<RotationPlan, { kind: "wait" }>): void {
    const { log, metrics } = this.#options;
    if (plan.kind === "count") return;
    metrics.stepped(after.kind);
    this.#reported = undefined;
    const fields = { component: "ca-agent", from: before.kind, to: after.kind, revision: after.revision };
    switch (plan.kind) {
      case "roll_back":
        log.error({ ...fields, reason: plan.reason }, "the rotation of the root is rolled back");
        return;
      case "confirm":
        log.info(fields, "the rotation of the root goes on: no control plane signs with the other root any more");
        return;
      case "step":
        log.info(fields, `the rotation of the root goes on: ${STEP_TEXTS[plan.to]}`);
        return;
    }
  }

  /** A steady root waits for nothing. */
  #reportWaiting(state: RotationState, text: string, evidence: RotationEvidence): void {
    const { log, clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const isRecent = this.#reported !== undefined && nowMs - this.#reported.atMs < WAITING_LINE_MS;
    if (state.kind === "steady" || isRecent || this.#reported?.text === text) return;
    this.#reported = { text, atMs: nowMs };
    const isRejected = isUndecided(state) && describeRejections(state, evidence) !== undefined;
    const fields = { component: "ca-agent", phase: state.kind, reason: text };
    log[isRejected ? "warn" : "info"](fields, "the rotation of the root waits");
  }

  #reportFailure(caught: unknown, { signal }: DrivingRight): false {
    if (signal.aborted) return false;
    const { log, metrics } = this.#options;
    const { code, message } = MeshError.from(caught);
    metrics.failed();
    if (message !== this.#failure) {
      const fields = { component: "ca-agent", code, reason: message };
      log.error(fields, "the rotation of the root cannot go on; it is tried again");
    }
    this.#failure = message;
    return false;
  }
}

function isUndecided(state: RotationState): state is PublishedState | SigningState {
  return state.kind === "published" || state.kind === "signing";
}

const STEP_TEXTS = {
  published: "a new root is trusted beside the one that signs",
  signing: "the new root signs, and the old one is still trusted",
  steady: "the other root is no longer trusted",
} as const;
