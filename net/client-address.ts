import type { Socket } from "node:net";
import { formatSocketAddress } from "./socket-address.ts";

/**
 * Names a client for logs: `ip:port`, or `gone` if it had disconnected before its connection was accepted: the kernel
 * no longer knows the address then. Call it when the connection arrives; the client may have disconnected later.
 */
export function formatClient({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">): string {
  return remoteAddress === undefined ? "gone" : formatSocketAddress({ ip: remoteAddress, port: remotePort ?? 0 });
}

/** A dual-stack socket reports IPv4 clients as `::ffff:10.0.0.7`. Empty if the client has disconnected. */
export function plainAddress({ remoteAddress = "" }: Partial<Pick<Socket, "remoteAddress">>): string {
  return remoteAddress.replace(/^::ffff:(?=\d+\.)/, "");
}

/**
 * Whether a client is on this machine, or in this pod. 127.0.0.6 does not count: it is the source address of traffic
 * that a sidecar delivers for others.
 */
export function isLoopback(remoteAddress: string): boolean {
  return remoteAddress === "::1" || (remoteAddress.startsWith("127.") && remoteAddress !== "127.0.0.6");
}

const LOCAL_HOST = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;

/** Whether a Host header names this machine. That of a web page whose name was rebound to 127.0.0.1 does not. */
export function isLocalHost(host: string | readonly string[] | undefined): boolean {
  return typeof host === "string" && LOCAL_HOST.test(host);
}
