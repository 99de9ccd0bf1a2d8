import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { AuthorityStatus } from "../../ca-agent/authority/authority-status.ts";
import type { RotationRequest } from "../../ca-agent/control/control-state.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { findUnread } from "../../operator/ca/authority-problems.ts";
import { readAuthorities } from "../../operator/ca/authority-report.ts";
import { type FollowedRequest, followRotation } from "../../operator/ca/follow-rotation.ts";
import { type RequestedRotation, type RotationKind, requestRotation } from "../../operator/ca/request-rotation.ts";
import { OperatorError } from "../../operator/operator-error.ts";
import { printable } from "../../operator/text/palette.ts";
import type { CommandContext } from "../command.ts";
import { parseDuration } from "../option-values.ts";
import { formatJson } from "../reports/report-options.ts";
import { UsageError } from "../usage-error.ts";
import { type CaMesh, type CaMeshOptionValues, withCaMesh } from "./ca-mesh.ts";

export interface RotateOptionValues extends CaMeshOptionValues {
  readonly "roll-back"?: boolean | undefined;
  readonly wait?: boolean | undefined;
  readonly timeout?: string | undefined;
  readonly isJson: boolean;
}

/** `entente ca rotate-root`. */
export async function rotateRoot(values: RotateOptionValues, context: CommandContext): Promise<number> {
  const { wait = false, timeout, isJson, "roll-back": isBack = false } = values;
  if (timeout !== undefined && !wait) throw new UsageError("--timeout is for --wait: give both");
  const timeoutMs = timeout === undefined ? undefined : parseDuration(timeout, "--timeout");
  const kind = isBack ? "roll_back" : "rotate";
  return await withCaMesh(values, context, async (mesh) => {
    const authorities = await readSomeAuthority(mesh, context.signal);
    const requested = await requestRotation(mesh.store, authorities, createRequest(kind));
    if (!isJson) context.stdout(describeRequested(kind, requested));
    if (wait) return await follow(mesh, { kind, ...requested, timeoutMs, isJson }, context);
    if (isJson) context.stdout(formatJson(requested));
    else if (requested.cancelled === undefined) context.stdout(FOLLOW_IT);
    return 0;
  });
}

/** Of at least one control plane: what a rotation means is not known otherwise. */
async function readSomeAuthority({ readReplicas }: CaMesh, signal: AbortSignal): Promise<readonly AuthorityStatus[]> {
  const replicas = await readReplicas(signal);
  const authorities = readAuthorities(replicas);
  if (authorities.length > 0) return authorities;
  const reasons = findUnread({ replicas }).join("; ");
  throw new OperatorError("not_possible", `nothing was requested: no control plane says what its root is: ${reasons}`);
}

function createRequest(kind: RotationKind): RotationRequest {
  const requestedAt = new Date(systemClock.now()).toISOString();
  return { ...(kind === "roll_back" && { kind }), requestId: randomUUID(), requestedAt };
}

const REQUESTED = {
  rotate: "requested: the control planes replace the root\n",
  roll_back: "requested: the control planes go back to the root before\n",
} as const;
const JOINED = "a rotation is in progress or requested already: nothing more was requested\n";
const CANCELLED =
  "cancelled: the rotation that was requested and has not begun. A control plane that begins with it at this moment goes back\n";
const FOLLOW_IT = "follow it with entente ca status, or with entente ca rotate-root --wait\n";

function describeRequested(kind: RotationKind, { isNew, cancelled }: RequestedRotation): string {
  if (cancelled !== undefined) return CANCELLED;
  return isNew ? REQUESTED[kind] : JOINED;
}

interface Followed extends FollowedRequest {
  readonly isNew: boolean;
  readonly timeoutMs: number | undefined;
  readonly isJson: boolean;
}

async function follow(
  { readReplicas }: CaMesh,
  { kind: asked, requestId, cancelled, isNew, timeoutMs, isJson }: Followed,
  { signal, stdout, stderr }: CommandContext,
): Promise<number> {
  const { kind, text } = await followRotation({
    ...{ timeoutMs, signal, read: readReplicas, clock: systemClock },
    request: { kind: asked, requestId, ...(cancelled !== undefined && { cancelled }) },
    onProgress: (line) => (isJson ? stderr : stdout)(`${printable(line)}\n`),
    pause: (delayMs, abort) => sleep(delayMs, undefined, { signal: abort }),
  });
  if (isJson) stdout(formatJson({ requestId, isNew, outcome: kind, detail: text }));
  else if (kind !== "running") stdout(`${printable(text)}\n`);
  if (kind === "running") stderr("not over in time: the rotation goes on, entente ca status shows it\n");
  return kind === "done" ? 0 : 1;
}
