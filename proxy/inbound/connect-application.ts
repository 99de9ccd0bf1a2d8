import { type ConnectOptions, type ConnectResult, connectTcp } from "../../net/connect-tcp.ts";
import type { SocketAddress } from "../../net/socket-address.ts";

/** The source address of deliveries: iptables does not capture it (Istio's convention since 1.10). */
const DELIVERY_SOURCE = { ipv4: "127.0.0.6", ipv6: "::6" } as const;

/** Connects to the application behind the sidecar. */
export function connectApplication(
  address: SocketAddress,
  options: Omit<ConnectOptions, "localAddress">,
): Promise<ConnectResult> {
  const localAddress = address.ip.includes(":") ? DELIVERY_SOURCE.ipv6 : DELIVERY_SOURCE.ipv4;
  return connectTcp(address, { ...options, localAddress });
}
