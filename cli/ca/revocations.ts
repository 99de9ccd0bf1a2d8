import type { ControlState, Revocation, RevocationTarget } from "../../ca-agent/control/control-state.ts";
import { findExcess } from "../../ca-agent/control/distributed-identities.ts";
import { addRevocations, liftRevocation } from "../../ca-agent/revocation/revocation-entries.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { findRefusals } from "../../operator/ca/authority-problems.ts";
import { createAuthorityReport, readTrustDomains } from "../../operator/ca/authority-report.ts";
import { formatLifting, formatRevocation, type RevocationResult } from "../../operator/ca/format-revocation.ts";
import { foreseeRevocation, type RevocationEffect } from "../../operator/ca/revocation-effect.ts";
import { checkLifting, describeTarget, findCovering } from "../../operator/ca/revocation-entries.ts";
import { createRevocationsReport, formatRevocations } from "../../operator/ca/revocations-report.ts";
import { OperatorError } from "../../operator/operator-error.ts";
import { choosePalette } from "../../operator/text/palette.ts";
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
    const stored = await store(mesh, revocation, {
      trustDomains: readTrustDomains(replicas),
      isDryRun: values["dry-run"] === true,
    });
    return { ...stored, effect: { ...effect, warnings: [...warnings, ...effect.warnings] } };
  });
  context.stdout(values.isJson ? formatJson(result) : formatRevocation(result, choosePalette(context)));
  return 0;
}

/**
 * With its uid, which is all that the certificates of a pod have of it. By a name alone those of a pod that is gone could not
 * be found, and they may be what is in other hands.
 */
async function identifyPod(
  target: RevocationTarget,
  { findPodUid }: CaMesh,
): Promise<{ readonly target: RevocationTarget; readonly warnings: readonly string[] }> {
  if (target.kind !== "pod") return { target, warnings: [] };
  const { namespace, name, uid: given } = target;
  if (findPodUid === undefined) {
    if (given === undefined) return { target, warnings: [] };
    throw new OperatorError(
      "not_possible",
      "without Kubernetes no pod has a uid, and a pod is its name: leave out --uid",
    );
  }
  const present = await findPodUid({ namespace, name });
  const uid = given ?? present;
  if (uid === undefined) throw noSuchPod(target);
  const other = `the ${describeTarget(target)} that is there now has the uid ${present}: it is another one, and not revoked`;
  return { target: { ...target, uid }, warnings: present === undefined || present === uid ? [] : [other] };
}

function noSuchPod(target: RevocationTarget): OperatorError {
  return new OperatorError(
    "not_found",
    `there is no ${describeTarget(target)}. If it is deleted, give its uid too, by --uid: certificates have only that of ` +
      "their pod, and the control planes' logs have it in each line with the code issued. To refuse later pods of this name " +
      "as well, revoke their --identity",
  );
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
  { trustDomains, isDryRun }: { readonly trustDomains: readonly string[]; readonly isDryRun: boolean },
): Promise<Pick<RevocationResult, "revocation" | "outcome">> {
  const nowMs = systemClock.now();
  const present = await mesh.store.read();
  const before = findCovering(present, revocation.what, nowMs);
  if (before !== undefined) return { revocation: before, outcome: "revoked already" };
  /** The control planes would refuse all of it. */
  const add = (state: ControlState): ControlState => {
    const added = addRevocations(state, [revocation], nowMs);
    const excess = findExcess(added, trustDomains);
    if (excess !== undefined) throw excess;
    return added;
  };
  add(present);
  if (isDryRun) return { revocation, outcome: "would be revoked" };
  await mesh.store.update(add);
  return { revocation, outcome: "revoked" };
}

/** `entente ca unrevoke`. */
export async function unrevoke(values: Values, context: CommandContext): Promise<number> {
  const target = parseTarget(values);
  const result = await withCaMesh(values, context, async ({ store: control, readReplicas }) => {
    const [state, replicas] = await Promise.all([control.read(), readReplicas(context.signal)]);
    const { listed } = createAuthorityReport({ control: state, replicas, nowMs: systemClock.now() }).revocations;
    const lifted = checkLifting(state, target, listed);
    // Before the change: what a control plane refuses now, it does not lift.
    const refusals = findRefusals({ replicas });
    await control.update((state) => liftRevocation(state, target));
    return { lifted, warnings: refusals.map((refusal) => `it may stay revoked until this is repaired: ${refusal}`) };
  });
  context.stdout(values.isJson ? formatJson(result) : formatLifting(target, result.warnings, choosePalette(context)));
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
