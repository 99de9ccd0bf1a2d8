import type { SidecarCounts } from "./rotation-state.ts";

/** A root that is broken is rejected by all. A few that hang, or have just connected, must not hide that. */
const NEARLY_ALL = 0.9;

/** Whether a part is nearly all of a whole that is not empty. */
export function isNearlyAll(part: number, whole: number): boolean {
  return whole > 0 && part >= whole * NEARLY_ALL;
}

/**
 * The roots that are broken, as far as the sidecars show it: a rotation goes back by itself because of them. What a sidecar
 * claims cannot be checked, and to keep the old root may be just what an attacker wants. So nearly all sidecars must reject
 * it, and they must belong to nearly all service accounts and nearly all namespaces, at every control plane that has any: no
 * tenant has so many of each, however many pods and accounts it creates, while others accept the root. A root that is rejected
 * by fewer is for an operator to judge: the phase waits.
 */
export function findRejectedRoots(controlPlanes: readonly SidecarCounts[]): ReadonlySet<string> {
  const [first, ...others] = controlPlanes.filter(({ connected }) => connected > 0);
  if (first === undefined) return new Set();
  const roots = [...first.rejecting.keys()];
  return new Set(roots.filter((root) => [first, ...others].every((counts) => isRejectedAt(counts, root))));
}

function isRejectedAt({ connected, tenants, rejecting }: SidecarCounts, root: string): boolean {
  const rejected = rejecting.get(root);
  return (
    rejected !== undefined &&
    isNearlyAll(rejected.sidecars, connected) &&
    isNearlyAll(rejected.identities, tenants.identities) &&
    isNearlyAll(rejected.namespaces, tenants.namespaces)
  );
}
