import { fingerprintOf, leavesOf, type RotationState, trustedRoots } from "./rotation-state.ts";

/**
 * Whether a running control plane must store again what it has in force, because the stored state is an earlier one of the
 * same mesh, as after etcd or a directory was restored from a backup. Nothing is guessed: the stored state is older, the root
 * that signs there is one that this mesh trusts or has had, and a root is missing of which certificates are valid, so that no
 * control plane could follow it, and every one that starts would wait. A state that all can follow is the operator's choice.
 */
export function isToBeWrittenBack(stored: RotationState, inForce: RotationState): boolean {
  if (stored.revision >= inForce.revision) return false;
  const signing = fingerprintOf(stored.current.certificatePem);
  const known = [...trustedRoots(inForce).map(fingerprintOf), ...inForce.dropped];
  const trusted = trustedRoots(stored).map(fingerprintOf);
  return known.includes(signing) && leavesOf(inForce).some((root) => !trusted.includes(fingerprintOf(root)));
}
