import { networkInterfaces } from "node:os";
import type { SocketAddress } from "../../net/socket-address.ts";

/**
 * Every port that the proxy may listen on, whether it does now or not. 15008 is HBONE's, which nobody serves here.
 * Inbound traffic to any of them never goes further, so that no peer reaches the admin port or loops the proxy
 * (Istio's blackhole for 15006, ztunnel's illegal ports).
 */
export const PROXY_PORTS: ReadonlySet<number> = new Set([15000, 15001, 15006, 15008, 15020, 15021, 15090]);

/** What arrives at the inbound listener was meant for this pod, so the port alone decides. */
export function isOwnInboundListener(destination: SocketAddress): boolean {
  return PROXY_PORTS.has(destination.port);
}

/** What the application dials is ours only on one of the pod's own addresses; another pod's sidecar judges its own. */
export function isOwnOutboundListener(destination: SocketAddress): boolean {
  if (!PROXY_PORTS.has(destination.port)) return false;
  if (destination.ip.startsWith("127.") || destination.ip === "::1") return true;
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address }) => address === destination.ip),
  );
}
