import type { RotationStatus } from "../../ca-agent/authority/authority-status.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { formatDuration } from "../text/duration.ts";
import { findRotationFaults } from "./authority-problems.ts";
import type { AuthorityReplica } from "./read-authority.ts";
import type { RotationKind } from "./request-rotation.ts";

/** How far a rotation is. `text`: one line for people; `stage` is the same while only the line's details change. */
export type RotationProgress =
  | { readonly kind: "running"; readonly stage: string; readonly text: string }
  | { readonly kind: "done"; readonly text: string }
  | { readonly kind: "failed"; readonly text: string };

/** The phases that nothing but another rotation follows. */
const ENDS: ReadonlySet<RotationStatus["phase"]> = new Set(["steady", "withdrawing"]);

/** What is followed. */
export interface FollowedRequest {
  readonly kind: RotationKind;
  /** `null`: no request was ever answered, and the rotation began by the root's age. */
  readonly requestId: string | null;
  /** The request to rotate that it replaced before a rotation had begun. */
  readonly cancelled?: string;
}

/** @param hasBegun whether the rotation was in progress before: then its end is its own, whatever was asked. */
export function judgeRotation(
  { kind, requestId, cancelled }: FollowedRequest,
  replicas: readonly AuthorityReplica[],
  { nowMs, hasBegun }: { readonly nowMs: number; readonly hasBegun: boolean },
): RotationProgress {
  const read = replicas.flatMap(({ pod, authority }) =>
    authority.kind === "read" && authority.rotation !== null ? [{ pod, rotation: authority.rotation }] : [],
  );
  if (read.length === 0) return running("unread", `no control plane can be asked${describeFailures(replicas)}`);
  const ours = read.filter(({ rotation }) => rotation.requestId === requestId);
  const [rolledBack] = (hasBegun ? read : ours).flatMap(({ rotation }) =>
    ENDS.has(rotation.phase) && rotation.rolledBack !== null ? [rotation.rolledBack] : [],
  );
  if (rolledBack !== undefined) {
    const text = `rolled back${describeRollBack(rolledBack)}; the old root signs`;
    return { kind: kind === "roll_back" ? "done" : "failed", text };
  }
  if (cancelled !== undefined && !read.some(({ rotation }) => isMoving(rotation.phase))) {
    return { kind: "done", text: "cancelled: no rotation has begun, and the root stays" };
  }
  const moving = read.find(({ rotation }) => rotation.phase !== "steady");
  if (moving !== undefined) return running(moving.rotation.phase, describePhase(moving.rotation, nowMs));
  if (kind === "roll_back") return { kind: "failed", text: "too late: the new root is the only one" };
  if (ours.length === 0) {
    const [reason = "the control planes have not begun yet"] = findRotationFaults({ replicas });
    return running("requested", `requested: ${reason}`);
  }
  if (ours.length === read.length) return { kind: "done", text: "done: the new root is the only one" };
  const late = read.filter((one) => !ours.includes(one)).map(({ pod }) => pod);
  return running("late", `not yet read by ${late.join(", ")}`);
}

function running(stage: string, text: string): RotationProgress {
  return { kind: "running", stage, text };
}

/** `published for 2m10s; waits: …; at the latest in 50s`. */
export function describePhase({ phase, since, waiting, until }: RotationStatus, nowMs: number): string {
  const age = since === null ? "" : ` for ${formatDuration(nowMs - Date.parse(since))}`;
  const leftMs = until === null ? undefined : Date.parse(until) - nowMs;
  const limit = leftMs === undefined || leftMs <= 0 ? "" : `; at the latest in ${formatDuration(leftMs)}`;
  const reason = phase === "steady" ? `; ${waiting}` : `; waits: ${waiting}`;
  return `${phase}${age}${waiting === null ? "" : reason}${limit}`;
}

/** ` on request`, or `: REASON`. */
export function describeRollBack(reason: string): string {
  return reason === "requested" ? " on request" : `: ${reason}`;
}

function describeFailures(replicas: readonly AuthorityReplica[]): string {
  const reasons = replicas.flatMap(({ pod, authority }) =>
    authority.kind === "failed" ? [`${pod}: ${authority.reason}`] : [],
  );
  return reasons.length === 0 ? "" : `: ${reasons.join("; ")}`;
}

function isMoving(stage: string): boolean {
  return stage === "published" || stage === "signing";
}

export interface FollowedRotation {
  readonly request: FollowedRequest;
  readonly read: (signal: AbortSignal) => Promise<readonly AuthorityReplica[]>;
  /** Called with each new line. */
  readonly onProgress: (text: string) => void;
  /** @default no limit */
  readonly timeoutMs?: number | undefined;
  readonly clock: Clock;
  /** Resolves after a time; rejects when the signal aborts. */
  readonly pause: (delayMs: number, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
}

const ROUND_MS = 2000;
/** A stage may take a day, and its line has numbers that change in every round. */
const REPEAT_MS = 60_000;

/** Follows a rotation until it is over, or the time is. The rotation itself goes on without anybody who follows it. */
export async function followRotation(options: FollowedRotation): Promise<RotationProgress> {
  const { request, read, onProgress, timeoutMs = Number.POSITIVE_INFINITY, clock, pause, signal } = options;
  const endMs = clock.monotonicMs() + timeoutMs;
  let hasBegun = false;
  let shown: { readonly stage: string; readonly text: string; readonly atMs: number } | undefined;
  for (;;) {
    const replicas = await read(signal);
    const progress = judgeRotation(request, replicas, { nowMs: clock.now(), hasBegun });
    if (progress.kind !== "running") return progress;
    const { stage, text } = progress;
    hasBegun ||= request.kind === "rotate" && isMoving(stage);
    const nowMs = clock.monotonicMs();
    const isNew = shown?.stage !== stage || (shown.text !== text && nowMs - shown.atMs >= REPEAT_MS);
    if (isNew) onProgress(text);
    if (isNew) shown = { stage, text, atMs: nowMs };
    if (nowMs >= endMs) return progress;
    await pause(Math.min(ROUND_MS, endMs - nowMs), signal);
  }
}
