import type { RootPair } from "../authority/self-signed-root.ts";
import { latestLeafEnd, type RotationTime } from "./rotation-limits.ts";
import {
  type EndedRotation,
  fingerprintOf,
  type PublishedState,
  type RotationCause,
  type RotationRequest,
  type RotationState,
  type SigningState,
  type SteadyState,
  type WithdrawingState,
} from "./rotation-state.ts";

/** A control plane that was cut off for longer has no valid certificates to care for. */
const MAX_DROPPED = 16;

/** What every step needs. */
export interface StepInput extends RotationTime {
  /** The request that is answered by this step: one that arrives during a rotation is answered by that rotation. */
  readonly request: RotationRequest | undefined;
}

/** Adds the next root to the trusted ones. */
export function publishNext(
  state: SteadyState,
  { next, cause }: { readonly next: RootPair; readonly cause: RotationCause },
  input: StepInput,
): PublishedState {
  return { kind: "published", ...carried(state, input), next, cause, sinceMs: input.nowMs, countedMs: 0 };
}

/** From now on the next root signs. */
export function activateNext(
  state: PublishedState,
  { crossSignedPem }: { readonly crossSignedPem: string | undefined },
  input: StepInput,
): SigningState {
  return {
    ...{ kind: "signing", ...carried(state, input), current: state.next, previous: state.current, crossSignedPem },
    ...{ cause: state.cause, ...beginSigning(input) },
  };
}

/** No control plane signs with the other root any more: now it is known when its leaves end. */
export function confirmPhase<State extends SigningState | WithdrawingState>(state: State, input: StepInput): State {
  return { ...countPhase(state, input), isFollowed: true, leavesEndMs: latestLeafEnd(input) };
}

/**
 * Stores how long the phase has lasted, for those who go on with it after a restart. A root that is published by age no
 * longer waits once an operator requests a rotation: this is the requested one from then on.
 */
export function countPhase<State extends PublishedState | SigningState | WithdrawingState>(
  state: State,
  input: StepInput,
): State {
  const { request } = input;
  const isRequested = state.kind === "published" && request?.kind === "rotate" && request.requestId !== state.requestId;
  const cause = isRequested ? "request" : state.cause;
  return { ...state, ...carried(state, input), cause, countedMs: input.phaseMs };
}

/** The root that no longer signs, and whose leaves have all expired, is forgotten with its key. */
export function retireRoot(state: SigningState | WithdrawingState, input: StepInput): SteadyState {
  const { cause } = state;
  if (state.kind === "signing") {
    return endRotation(drop(state, state.previous.certificatePem), { cause, outcome: "completed", reason: "" }, input);
  }
  return endRotation(drop(state, state.leavingPem), { cause, outcome: "rolled_back", reason: state.reason }, input);
}

/**
 * The old root signs again, or goes on signing. A next root that has never signed is forgotten at once; one that has stays
 * trusted until its leaves have expired.
 */
export function rollBack(
  state: PublishedState | SigningState,
  reason: string,
  input: StepInput,
): SteadyState | WithdrawingState {
  const { cause } = state;
  if (state.kind === "published") {
    return endRotation(drop(state, state.next.certificatePem), { cause, outcome: "rolled_back", reason }, input);
  }
  return {
    ...{ kind: "withdrawing", ...carried(state, input), current: state.previous, cause, reason },
    ...{ leavingPem: state.current.certificatePem, ...beginSigning(input) },
  };
}

/** Another root signs from now on, and the one before may still have signed until now. */
function beginSigning({ nowMs, limits }: StepInput) {
  return { sinceMs: nowMs, countedMs: 0, isFollowed: false, leavesEndMs: latestLeafEnd({ phaseMs: 0, limits }) };
}

function endRotation(state: RotationState, ending: Omit<EndedRotation, "atMs">, input: StepInput): SteadyState {
  return { kind: "steady", ...carried(state, input), last: { ...ending, atMs: input.nowMs } };
}

/** A root leaves the bundle. */
function drop(state: RotationState, pem: string): RotationState {
  return { ...state, dropped: [fingerprintOf(pem), ...state.dropped].slice(0, MAX_DROPPED) };
}

/** What all states have in common, one revision later. */
function carried(state: RotationState, { request }: StepInput) {
  const { current, others, revision, dropped } = state;
  // A request to rotate that comes while a root is withdrawn is carried out afterwards.
  const isLater = state.kind === "withdrawing" && request?.kind === "rotate";
  const requestId = isLater ? state.requestId : (request?.requestId ?? state.requestId);
  return { current, others, revision: revision + 1, requestId, dropped };
}
