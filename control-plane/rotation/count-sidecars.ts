import type { SidecarCounts } from "../../ca-agent/rotation/rotation-state.ts";
import type { ProxyStatus } from "../../discovery/streams/stream-status.ts";

/** What of a connected proxy is counted. */
export type CountedProxy = Pick<ProxyStatus, "certificate" | "trustedRoots" | "resources">;

/** Counts the connected proxies by the roots that they trust, and by the root of the certificate that they have. */
export function countSidecars(proxies: readonly CountedProxy[]): SidecarCounts {
  const trusting = new Map<string, number>();
  const holding = new Map<string, number>();
  const add = (counts: Map<string, number>, root: string): void => void counts.set(root, (counts.get(root) ?? 0) + 1);
  let rejecting = 0;
  for (const { certificate, trustedRoots, resources } of proxies) {
    for (const root of new Set(trustedRoots ?? [])) add(trusting, root);
    add(holding, certificate.rootFingerprint);
    if (resources.some(({ kind, state }) => kind === "trust bundle" && state === "rejected")) rejecting += 1;
  }
  return { connected: proxies.length, trusting, holding, rejecting };
}
