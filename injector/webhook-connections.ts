import type { Server } from "node:https";
import type { Socket } from "node:net";

/**
 * Keeps a server's connections within a limit: one more ends the one that has been quiet for the longest time. Any pod
 * of the cluster may knock here; were the newest refused, silent connections would keep the API server out, and no pod
 * could be created.
 */
export function displaceQuietConnections(server: Server, maxConnections: number): void {
  /** By the client's address and port, for requests show the TLS socket alone; the longest quiet first. */
  const open = new Map<string, Socket>();
  server.on("connection", (socket: Socket) => {
    const key = addressOf(socket);
    open.set(key, socket);
    socket.once("close", () => {
      if (open.get(key) === socket) open.delete(key);
    });
    const [quietest] = open.entries();
    if (quietest === undefined || open.size <= maxConnections) return;
    open.delete(quietest[0]);
    quietest[1].destroy();
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
