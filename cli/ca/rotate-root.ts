import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../mesh/runtime.ts";
import { readAuthorities } from "../../operator/ca/authority-report.ts";
import { followRotation } from "../../operator/ca/follow-rotation.ts";
import { requestRotation } from "../../operator/ca/request-rotation.ts";
import { printable } from "../../operator/text/palette.ts";
import type { CommandContext } from "../command.ts";
import { parseDuration } from "../option-values.ts";
import { formatJson } from "../reports/report-options.ts";
import { UsageError } from "../usage-error.ts";
import { type CaMesh, type CaMeshOptionValues, withCaMesh } from "./ca-mesh.ts";

export interface RotateOptionValues extends CaMeshOptionValues {
  readonly wait?: boolean | undefined;
  readonly timeout?: string | undefined;
  readonly isJson: boolean;
}

/** `entente ca rotate-root`. */
export async function rotateRoot(values: RotateOptionValues, context: CommandContext): Promise<number> {
  const { wait = false, timeout, isJson } = values;
  if (timeout !== undefined && !wait) throw new UsageError("--timeout is for --wait: give both");
  const timeoutMs = timeout === undefined ? undefined : parseDuration(timeout, "--timeout");
  return await withCaMesh(values, context, async (mesh) => {
    const authorities = readAuthorities(await mesh.readReplicas(context.signal));
    const request = { requestId: randomUUID(), requestedAt: new Date(systemClock.now()).toISOString() };
    const { requestId, isNew } = await requestRotation(mesh.store, authorities, request);
    if (!wait && isJson) context.stdout(formatJson({ requestId, isNew }));
    if (!isJson) context.stdout(isNew ? REQUESTED : JOINED);
    if (!isJson && !wait) context.stdout("follow it with entente ca status, or with entente ca rotate-root --wait\n");
    return wait ? await follow(mesh, { requestId, isNew, timeoutMs, isJson }, context) : 0;
  });
}

const REQUESTED = "requested: the control planes replace the root\n";
const JOINED = "a rotation is in progress or requested already: nothing more was requested\n";

interface Followed {
  readonly requestId: string | null;
  readonly isNew: boolean;
  readonly timeoutMs: number | undefined;
  readonly isJson: boolean;
}

async function follow(
  { readReplicas }: CaMesh,
  { requestId, isNew, timeoutMs, isJson }: Followed,
  { signal, stdout, stderr }: CommandContext,
): Promise<number> {
  const { kind, text } = await followRotation({
    ...{ requestId, timeoutMs, signal, read: readReplicas, clock: systemClock },
    onProgress: (line) => (isJson ? stderr : stdout)(`${printable(line)}\n`),
    pause: (delayMs, abort) => sleep(delayMs, undefined, { signal: abort }),
  });
  if (isJson) stdout(formatJson({ requestId, isNew, outcome: kind, detail: text }));
  else if (kind !== "running") stdout(`${printable(text)}\n`);
  if (kind === "running") stderr("not over in time: the rotation goes on, entente ca status shows it\n");
  return kind === "done" ? 0 : 1;
}
