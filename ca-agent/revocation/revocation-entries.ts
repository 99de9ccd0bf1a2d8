import type { ControlState, Revocation, RevocationTarget } from "../control/control-state.ts";

/**
 * How long an entry stays in force after the certificate has expired: a peer whose clock is an hour behind would still
 * accept it.
 */
const CLOCK_TOLERANCE_MS = 62 * 60_000;

/** Whether an entry still matters. Until it is lifted, if it has no end. */
export function isInForce({ expiresAt }: Revocation, nowMs: number): boolean {
  return nowMs < endOf(expiresAt);
}

/** When an entry stops to matter, in epoch milliseconds. */
export function endOf(expiresAt: string | undefined): number {
  return expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt) + CLOCK_TOLERANCE_MS;
}

/** Two entries with the same key revoke the same. */
export function keyOfTarget(what: RevocationTarget): string {
  switch (what.kind) {
    case "serial":
      return `serial ${what.serialNumber}`;
    case "identity":
      return `identity ${what.identity}`;
    case "pod":
      return `pod ${what.namespace}/${what.name} ${what.uid ?? ""}`;
  }
}

/**
 * Adds revocations. What is revoked already stays as it is. The same object back: nothing is new. It drops nothing: by the
 * clock of an operator's machine, which may be days ahead, that would lift what is still needed.
 */
export function addRevocations(state: ControlState, added: readonly Revocation[], nowMs: number): ControlState {
  const byKey = new Map(state.revocations.map((revocation) => [keyOfTarget(revocation.what), revocation]));
  let isChanged = false;
  for (const revocation of added) {
    const key = keyOfTarget(revocation.what);
    const before = byKey.get(key);
    if (before !== undefined && isInForce(before, nowMs)) continue;
    byKey.set(key, revocation);
    isChanged = true;
  }
  return isChanged ? { ...state, revocations: [...byKey.values()] } : state;
}

/** Drops what has expired. The same object back: nothing has. */
export function dropExpired(state: ControlState, nowMs: number): ControlState {
  const revocations = state.revocations.filter((revocation) => isInForce(revocation, nowMs));
  return revocations.length < state.revocations.length ? { ...state, revocations } : state;
}

/**
 * Lifts a revocation; that of a pod without a uid lifts those of every pod of this name. The same object back: nothing of
 * it was revoked.
 */
export function liftRevocation(state: ControlState, target: RevocationTarget): ControlState {
  const revocations = state.revocations.filter(({ what }) => !isLifted(what, target));
  return revocations.length === state.revocations.length ? state : { ...state, revocations };
}

function isLifted(what: RevocationTarget, target: RevocationTarget): boolean {
  if (target.kind !== "pod") return keyOfTarget(what) === keyOfTarget(target);
  const { namespace, name, uid } = target;
  if (what.kind !== "pod" || what.namespace !== namespace || what.name !== name) return false;
  return uid === undefined || what.uid === undefined || what.uid === uid;
}
