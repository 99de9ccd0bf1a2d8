import type { Socket } from "node:net";
import { formatSocketAddress } from "./socket-address.ts";

/**
 * Names a client for logs: `ip:port`, or `gone` where it was away before its connection was taken, for then the kernel
 * no longer tells. Ask when the connection arrives: later it may be gone.
 */
export function formatClient({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">): string {
  return remoteAddress === undefined ? "gone" : formatSocketAddress({ ip: remoteAddress, port: remotePort ?? 0 });
}
