import type { ControlState, Revocation, RevocationTarget } from "../../ca-agent/control/control-state.ts";
import { isInForce, liftRevocation } from "../../ca-agent/revocation/revocation-entries.ts";
import { formatCount } from "../../mesh/format-count.ts";
import { OperatorError } from "../operator-error.ts";

/** `certificate 1A2B`, `identity spiffe://…`, `pod NAMESPACE/NAME`. */
export function describeTarget(target: RevocationTarget): string {
  switch (target.kind) {
    case "serial":
      return `certificate ${target.serialNumber}`;
    case "identity":
      return `identity ${target.identity}`;
    case "pod":
      return `pod ${target.namespace}/${target.name}`;
  }
}

/** The entry in force that refuses all of what is to be revoked. */
export function findCovering(state: ControlState, target: RevocationTarget, nowMs: number): Revocation | undefined {
  return state.revocations.find((entry) => isInForce(entry, nowMs) && covers(entry.what, target));
}

function covers(entry: RevocationTarget, target: RevocationTarget): boolean {
  if (describeTarget(entry) !== describeTarget(target)) return false;
  // Not by its name alone: the certificates of one that is gone are known by its uid.
  return entry.kind !== "pod" || target.kind !== "pod" || entry.uid === target.uid;
}

const SHOWN_ENTRIES = 5;

/**
 * The entries that lifting a target removes.
 * @param listed how many certificates are revoked by the operator's lists, of which nothing can be lifted here
 * @throws OperatorError `not_found`
 */
export function checkLifting(state: ControlState, target: RevocationTarget, listed = 0): readonly Revocation[] {
  const left = new Set(liftRevocation(state, target).revocations);
  const found = state.revocations.filter((revocation) => !left.has(revocation));
  if (found.length > 0) return found;
  const names = state.revocations.map(({ what }) => describeTarget(what));
  const more = names.length > SHOWN_ENTRIES ? ` and ${names.length - SHOWN_ENTRIES} more` : "";
  const known = names.length === 0 ? "nothing is" : `revoked is ${names.slice(0, SHOWN_ENTRIES).join(", ")}${more}`;
  const lists =
    target.kind === "serial" && listed > 0
      ? `; ${formatCount(listed, "certificate is", "certificates are")} revoked by ca-crl.pem: provide a newer list there, to lift one of those`
      : "";
  throw new OperatorError("not_found", `${describeTarget(target)} is not revoked; ${known}${lists}`);
}
