import { X509Certificate } from "node:crypto";
import { normalizeSerialNumber } from "../../mesh/identity/serial-number.ts";
import type { Revocation } from "../control/control-state.ts";
import { isInForce } from "../revocation/revocation-entries.ts";
import type { RotationState } from "./rotation-state.ts";

/**
 * Why the new root of a rotation must be given up: an operator has revoked its certificate, so that no peer would accept a
 * certificate that it signs; undefined: it is not revoked, or there is none.
 */
export function findRevokedRoot(
  state: RotationState,
  revocations: readonly Revocation[],
  nowMs: number,
): string | undefined {
  const root = newRootOf(state);
  if (root === undefined) return undefined;
  const serialNumber = normalizeSerialNumber(new X509Certificate(root).serialNumber);
  const isRevoked = revocations.some(
    (entry) => entry.what.kind === "serial" && entry.what.serialNumber === serialNumber && isInForce(entry, nowMs),
  );
  return isRevoked ? "the new root is revoked" : undefined;
}

/** PEM. */
function newRootOf(state: RotationState): string | undefined {
  if (state.kind === "published") return state.next.certificatePem;
  return state.kind === "signing" ? state.current.certificatePem : undefined;
}
