import { formatCount } from "../../mesh/format-count.ts";
import { dueAt, earlyPublishMs } from "./rotation-dates.ts";
import type { RotationTime } from "./rotation-limits.ts";
import {
  fingerprintOf,
  type PublishedState,
  type ReplicaCounts,
  type RotationCause,
  type RotationEvidence,
  type RotationState,
  type SigningState,
  type SteadyState,
  type WithdrawingState,
} from "./rotation-state.ts";

/** What comes next. */
export type RotationPlan =
  /** `untilMs`: nothing else can follow before, whatever happens (epoch milliseconds). */
  | { readonly kind: "wait"; readonly reason: string; readonly untilMs?: number }
  | { readonly kind: "step"; readonly to: "published"; readonly cause: RotationCause }
  | { readonly kind: "step"; readonly to: "signing" | "steady" }
  /** The phase goes on, and its end is known: no control plane signs with the other root any more. */
  | { readonly kind: "confirm" }
  /** The phase goes on, and how long it has lasted is stored. */
  | { readonly kind: "count" }
  | { readonly kind: "roll_back"; readonly reason: string };

/** After the early part of a publication by age, sidecars that have not acknowledged the root are waited for so long. */
const GRACE_SHARE = 1 / 8;
const EARLY_REASON = "by age nothing is urgent, and clients and meshes outside have time to learn of it";

/**
 * Decides what follows in a rotation. A phase ends when all connected sidecars show that the next one cannot cut them off,
 * or when its limit is over. Two rules have no limit: a root is published for a while before it signs, and it is trusted
 * until its last leaf has expired.
 */
export function planRotation(state: RotationState, evidence: RotationEvidence, time: RotationTime): RotationPlan {
  switch (state.kind) {
    case "steady":
      return planStart(state, evidence, time);
    case "published":
      return countOrElse(withRejections(planActivation(state, evidence, time), state, evidence), state, time);
    case "signing":
      return countOrElse(withRejections(planRetirement(state, evidence, time), state, evidence), state, time);
    case "withdrawing":
      return countOrElse(planEnd(state, evidence, time), state, time);
  }
}

/** While a phase waits, its time is stored now and then. */
function countOrElse(
  plan: RotationPlan,
  state: PublishedState | SigningState | WithdrawingState,
  { phaseMs, limits }: RotationTime,
): RotationPlan {
  return plan.kind === "wait" && phaseMs - state.countedMs >= limits.countMs ? { kind: "count" } : plan;
}

/** Sidecars that reject the new root are what an operator should look at, whatever the phase waits for. */
function withRejections(
  plan: RotationPlan,
  state: PublishedState | SigningState,
  evidence: RotationEvidence,
): RotationPlan {
  const rejections = plan.kind === "wait" ? describeRejections(state, evidence) : undefined;
  return plan.kind !== "wait" || rejections === undefined ? plan : { ...plan, reason: `${rejections}; ${plan.reason}` };
}

function planStart(state: SteadyState, evidence: RotationEvidence, { nowMs, limits }: RotationTime): RotationPlan {
  const { request, replicas } = evidence;
  const dueMs = dueAt(state, limits);
  const isRequested = request?.kind === "rotate" && isNew(state, request.requestId);
  if (!isRequested && nowMs < dueMs) {
    const reason = `no rotation is requested; the root is replaced by age from ${new Date(dueMs).toISOString()} on`;
    return { kind: "wait", reason };
  }
  // They may have refused what is stored, such as a restored backup: nothing is built on it.
  const behind = findBehind(replicas);
  if (behind !== undefined) return { kind: "wait", reason: behind };
  return { kind: "step", to: "published", cause: isRequested ? "request" : "age" };
}

function planActivation(state: PublishedState, evidence: RotationEvidence, time: RotationTime): RotationPlan {
  const { phaseMs, limits } = time;
  const { request } = evidence;
  // Stored as one by request, which waits for nobody outside the mesh.
  if (state.cause === "age" && request?.kind === "rotate" && isNew(state, request.requestId)) return { kind: "count" };
  const fault = findFault(state, evidence, time);
  if (fault !== undefined) return { kind: "roll_back", reason: fault };
  if (!(phaseMs >= limits.publishMs)) {
    return { kind: "wait", reason: "pods are receiving the new root", untilMs: dateOf(limits.publishMs, time) };
  }
  const earlyMs = earlyPublishMs(state, time);
  if (phaseMs < earlyMs) {
    const untilMs = dateOf(earlyMs, time);
    return { kind: "wait", reason: `the new root signs from ${secondOf(untilMs)} on: ${EARLY_REASON}`, untilMs };
  }
  const missing = findMissing(evidence, time, [
    { counts: evidence.sidecars.trusting, root: state.next.certificatePem, lack: "do not trust the new root yet" },
  ]);
  if (missing === undefined) return { kind: "step", to: "signing" };
  const behind = findBehind(evidence.replicas);
  // A control plane or a sidecar that has just started is waited for, also when the early part was longer than the limit.
  const limitMs = Math.max(limits.publishLimitMs, earlyMs + earlyMs * GRACE_SHARE);
  // Its sidecars would never learn of the new root.
  if (behind !== undefined && phaseMs >= limitMs) return { kind: "roll_back", reason: behind };
  return waitFor(missing, { time, limitMs, to: "signing" });
}

function planRetirement(state: SigningState, evidence: RotationEvidence, time: RotationTime): RotationPlan {
  const fault = findFault(state, evidence, time);
  if (fault !== undefined) return { kind: "roll_back", reason: fault };
  return planEnd(state, evidence, time);
}

/** The end of both ways: one root remains, the other one leaves the bundle. */
function planEnd(
  { current, isFollowed, leavesEndMs }: SigningState | WithdrawingState,
  evidence: RotationEvidence,
  time: RotationTime,
): RotationPlan {
  const { nowMs, phaseMs, limits } = time;
  if (!isFollowed && phaseMs < limits.retireLimitMs) return planConfirmation(evidence, time);
  // Written so that an unknown time (NaN) is too early.
  const leftMs = Math.max(leavesEndMs - phaseMs, evidence.replicas.otherLeavesForMs);
  if (!(leftMs <= 0)) {
    return { kind: "wait", reason: "certificates of the other root may still be valid", untilMs: nowMs + leftMs };
  }
  const { trusting, holding } = evidence.sidecars;
  const root = current.certificatePem;
  const missing = findMissing(evidence, time, [
    { counts: trusting, root, lack: "do not trust the root that stays" },
    { counts: holding, root, lack: "have no certificate of the root that stays" },
  ]);
  if (missing === undefined) return { kind: "step", to: "steady" };
  return waitFor(missing, { time, limitMs: leavesEndMs + limits.retireLimitMs, to: "steady" });
}

/** A control plane that was cut off may sign with the other root, until it follows or ends. */
function planConfirmation({ replicas }: RotationEvidence, time: RotationTime): RotationPlan {
  const { settleMs, retireLimitMs } = time.limits;
  if (!(time.phaseMs >= settleMs)) {
    return { kind: "wait", reason: "control planes are receiving the state", untilMs: dateOf(settleMs, time) };
  }
  const unready = findUnready(replicas);
  return unready === undefined ? { kind: "confirm" } : waitUntil(unready, retireLimitMs, time);
}

/** Why the rotation must go back. */
function findFault(
  state: PublishedState | SigningState,
  evidence: RotationEvidence,
  time: RotationTime,
): string | undefined {
  const { request, fault, rejectedRoots } = evidence;
  if (request?.kind === "roll_back" && isNew(state, request.requestId)) return "requested";
  if (fault !== undefined) return fault;
  // After a restart, those of one tenant may be the first to connect again.
  if (!rejectedRoots.has(newRootOf(state)) || !isComplete(evidence, time)) return undefined;
  return describeRejections(state, evidence);
}

/** `3 of 10 sidecars reject the new root`; undefined: none does. */
export function describeRejections(
  state: PublishedState | SigningState,
  { sidecars: { rejecting, connected } }: Pick<RotationEvidence, "sidecars">,
): string | undefined {
  const count = rejecting.get(newRootOf(state)) ?? 0;
  return count === 0 ? undefined : `${count} of ${connected} sidecars reject the new root`;
}

/** Its fingerprint. */
function newRootOf(state: PublishedState | SigningState): string {
  return fingerprintOf((state.kind === "published" ? state.next : state.current).certificatePem);
}

/** Whether all sidecars that were connected before a restart can be connected again. */
function isComplete({ completeForMs }: RotationEvidence, { limits }: RotationTime): boolean {
  return completeForMs >= limits.settleMs;
}

interface RequiredRoot {
  readonly counts: ReadonlyMap<string, number>;
  /** PEM. */
  readonly root: string;
  /** What sidecars do, or lack, that are not counted. */
  readonly lack: string;
}

/** What is still missing until all sidecars and control planes are ready for the next phase; undefined: nothing. */
function findMissing(
  evidence: RotationEvidence,
  time: RotationTime,
  required: readonly RequiredRoot[],
): string | undefined {
  const { connected } = evidence.sidecars;
  const unready = findUnready(evidence.replicas);
  if (unready !== undefined) return unready;
  if (!isComplete(evidence, time)) return "sidecars are connecting to a control plane that has started";
  const missing = required.flatMap(({ counts, root, lack }) => {
    const unready = connected - (counts.get(fingerprintOf(root)) ?? 0);
    return unready > 0 ? [`${unready} of ${connected} sidecars ${lack}`] : [];
  });
  return missing.length === 0 ? undefined : missing.join(", ");
}

/** Why a control plane may still sign with the other root; undefined: none does. */
function findUnready(replicas: ReplicaCounts): string | undefined {
  const silent = formatCount(replicas.lost, "control plane does", "control planes do");
  return findBehind(replicas) ?? (replicas.lost > 0 ? `${silent} not report, and may still sign` : undefined);
}

function findBehind({ live, following }: ReplicaCounts): string | undefined {
  const behind = live - following;
  if (live === 0) return "no control plane has reported yet";
  return behind > 0 ? `${behind} of ${live} control planes do not have the stored state in force` : undefined;
}

/** @param limitMs how long the phase may last */
function waitFor(
  missing: string,
  { time, limitMs, to }: { readonly time: RotationTime; readonly limitMs: number; readonly to: "signing" | "steady" },
): RotationPlan {
  return time.phaseMs >= limitMs ? { kind: "step", to } : waitUntil(missing, limitMs, time);
}

function waitUntil(missing: string, limitMs: number, time: RotationTime): RotationPlan {
  return { kind: "wait", reason: `${missing}; this is waited for until ${secondOf(dateOf(limitMs, time))}` };
}

/** To the second, because two clocks never advance by exactly the same. */
function secondOf(ms: number): string {
  return new Date(Math.round(ms / 1000) * 1000).toISOString();
}

/** When the phase will have lasted so long, in epoch milliseconds. */
function dateOf(ms: number, { nowMs, phaseMs }: RotationTime): number {
  return nowMs + ms - phaseMs;
}

function isNew(state: RotationState, requestId: string): boolean {
  return state.requestId !== requestId;
}
