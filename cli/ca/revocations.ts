import type { Revocation, RevocationTarget } from "../../ca-agent/control/control-state.ts";
import { addRevocations, liftRevocation } from "../../ca-agent/revocation/revocation-entries.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { formatRevocation, type RevocationResult } from "../../operator/ca/format-revocation.ts";
import { foreseeRevocation, type RevocationEffect } from "../../operator/ca/revocation-effect.ts";
import { checkLifting, describeTarget, findCovering } from "../../operator/ca/revocation-entries.ts";
import { createRevocationsReport, formatRevocations } from "../../operator/ca/revocations-report.ts";
import { OperatorError } from "../../operator/operator-error.ts";
import { choosePalette, printable } from "../../operator/text/palette.ts";
import type { CommandContext } from "../command.ts";
import { formatJson } from "../reports/report-options.ts";
import { type CaMesh, type CaMeshOptionValues, withCaMesh } from "./ca-mesh.ts";
import { parseReason, parseTarget, type TargetOptionValues } from "./target-options.ts";

interface Values extends CaMeshOptionValues, TargetOptionValues {
  readonly reason?: string | undefined;
  readonly "dry-run"?: boolean | undefined;
  readonly isJson: boolean;
}

/** `entente ca revoke`. */
export async function revoke(values: Values, context: CommandContext): Promise<number> {
  const named = parseTarget(values);
  const reason = parseReason(values.reason);
  const result = await withCaMesh(values, context, async (mesh) => {
    const { target, warnings } = await identifyPod(named, mesh);
    const replicas = await mesh.readReplicas(context.signal);
    const effect = foreseeRevocation({ target, replicas, rootNamespace: mesh.rootNamespace });
    if (effect.kind === "refused") throw new OperatorError("not_possible", effect.reason);
    const revocation = revocationOf(target, effect, reason);
    const stored = await store(mesh, revocation, values["dry-run"] === true);
    return { ...stored, effect: { ...effect, warnings: [...warnings, ...effect.warnings] } };
  });
  context.stdout(values.isJson ? formatJson(result) : formatRevocation(result, choosePalette(context)));
  return 0;
}

/** With its uid, so that a later pod of the same name is another one. */
async function identifyPod(
  target: RevocationTarget,
  { findPodUid }: CaMesh,
): Promise<{ readonly target: RevocationTarget; readonly warnings: readonly string[] }> {
  if (target.kind !== "pod" || findPodUid === undefined) return { target, warnings: [] };
  const uid = await findPodUid({ namespace: target.namespace, name: target.name });
  if (uid !== undefined) return { target: { ...target, uid }, warnings: [] };
  return { target, warnings: [`there is no ${describeTarget(target)}: every later pod of this name is refused too`] };
}

function revocationOf(
  what: RevocationTarget,
  { expiresAt }: Extract<RevocationEffect, { kind: "effective" }>,
  reason: string | undefined,
): Revocation {
  const revokedAt = new Date(systemClock.now()).toISOString();
  return { what, revokedAt, ...(expiresAt !== undefined && { expiresAt }), ...(reason !== undefined && { reason }) };
}

async function store(
  mesh: CaMesh,
  revocation: Revocation,
  isDryRun: boolean,
): Promise<Pick<RevocationResult, "revocation" | "outcome">> {
  const nowMs = systemClock.now();
  const before = findCovering(await mesh.store.read(), revocation.what, nowMs);
  if (before !== undefined) return { revocation: before, outcome: "revoked already" };
  if (isDryRun) return { revocation, outcome: "would be revoked" };
  await mesh.store.update((state) => addRevocations(state, [revocation], nowMs));
  return { revocation, outcome: "revoked" };
}

/** `entente ca unrevoke`. */
export async function unrevoke(values: Values, context: CommandContext): Promise<number> {
  const target = parseTarget(values);
  const lifted = await withCaMesh(values, context, async ({ store: control }) => {
    const found = checkLifting(await control.read(), target);
    await control.update((state) => liftRevocation(state, target));
    return found;
  });
  const text = () => `${describeTarget(target)}: no longer revoked\n`;
  context.stdout(values.isJson ? formatJson({ lifted }) : printable(text()));
  return 0;
}

/** `entente ca revocations`. */
export async function listRevocations(values: Values, context: CommandContext): Promise<number> {
  const nowMs = systemClock.now();
  const rows = await withCaMesh(values, context, async ({ store: control, readReplicas }) => {
    const [state, replicas] = await Promise.all([control.read(), readReplicas(context.signal)]);
    return createRevocationsReport(state, replicas, nowMs);
  });
  context.stdout(
    values.isJson ? formatJson({ revocations: rows }) : formatRevocations(rows, nowMs, choosePalette(context)),
  );
  return 0;
}
