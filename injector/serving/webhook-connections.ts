import type { Server } from "node:https";
import type { Socket } from "node:net";

/**
 * Limits a server's connections. When a new one exceeds the limit, the connection that has been idle longest is closed.
 * Any pod of the cluster can connect here. If new connections were refused instead, silent clients could lock out the
 * API server, and no pod could be created.
 */
export function evictIdleConnections(server: Server, maxConnections: number): void {
  /** Keyed by the client's address and port, because requests only expose the TLS socket; longest idle first. */
  const open = new Map<string, Socket>();
  server.on("connection", (socket: Socket) => {
    const key = addressOf(socket);
    open.set(key, socket);
    socket.once("close", () => {
      if (open.get(key) === socket) open.delete(key);
    });
    const [longestIdle] = open.entries();
    if (longestIdle === undefined || open.size <= maxConnections) return;
    open.delete(longestIdle[0]);
    longestIdle[1].destroy();
  });
  server.on("request", (request) => {
    const key = addressOf(request.socket);
    const socket = open.get(key);
    if (socket === undefined) return;
    open.delete(key);
    open.set(key, socket);
  });
}

function addressOf({ remoteAddress, remotePort }: Pick<Socket, "remoteAddress" | "remotePort">): string {
  return `${remoteAddress} ${remotePort}`;
}
