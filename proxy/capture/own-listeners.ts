import { networkInterfaces } from "node:os";
import type { SocketAddress } from "../../net/socket-address.ts";

/**
 * Every port that the proxy may listen on, in use or not. 15008 is HBONE's, which this proxy does not serve. Inbound
 * traffic to any of them is never forwarded, so that no peer reaches the admin port or causes a loop (Istio's blackhole
 * for 15006, ztunnel's illegal ports).
 */
export const PROXY_PORTS: ReadonlySet<number> = new Set([15000, 15001, 15006, 15008, 15020, 15021, 15090]);

/** Traffic at the inbound listener is addressed to this pod, so the port alone decides. */
export function isOwnInboundListener(destination: SocketAddress): boolean {
  return PROXY_PORTS.has(destination.port);
}

/**
 * An address that the application dials is the proxy's own only on the pod's own addresses; another pod's sidecar
 * decides for its own.
 */
export function isOwnOutboundListener(destination: SocketAddress): boolean {
  if (!PROXY_PORTS.has(destination.port)) return false;
  if (destination.ip.startsWith("127.") || destination.ip === "::1") return true;
  return Object.values(networkInterfaces()).some((addresses) =>
    addresses?.some(({ address }) => address === destination.ip),
  );
}
