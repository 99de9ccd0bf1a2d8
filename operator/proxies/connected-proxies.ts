import type { ControlPlaneReplica, SyncedProxy } from "./sync-page.ts";

/** A proxy that a control plane has a stream with. */
export interface ConnectedProxy {
  readonly proxy: SyncedProxy;
  /** As `ControlPlaneReplica.pod`. */
  readonly controlPlane: string;
}

/**
 * Each connected proxy once. One that has just moved to another replica is listed by both for a moment: the newer counts.
 * A proxy names its pod itself, so that one at another address is another one: it must not hide the pod that it claims to be.
 */
export function connectedProxies(replicas: readonly ControlPlaneReplica[]): readonly ConnectedProxy[] {
  const newest = new Map<string, ConnectedProxy>();
  for (const { pod: controlPlane, page } of replicas) {
    if (page.kind !== "read") continue;
    for (const proxy of page.proxies) {
      const key = `${proxy.namespace}/${proxy.pod} ${proxy.address}`;
      const other = newest.get(key);
      const isNewer = Date.parse(proxy.connectedSince) > Date.parse(other?.proxy.connectedSince ?? "");
      if (other === undefined || isNewer) newest.set(key, { proxy, controlPlane });
    }
  }
  return [...newest.values()];
}
