import type { Socket } from "node:net";
import { formatSocketAddress } from "./socket-address.ts";

/**
 * Names a client for logs: `ip:port`, or `gone` if it had disconnected before its connection was accepted: the kernel
 * no longer knows the address then. Call it when the connection arrives; the client may have disconnected later.
 */
export function formatClient({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">): string {
  return remoteAddress === undefined ? "gone" : formatSocketAddress({ ip: remoteAddress, port: remotePort ?? 0 });
}
