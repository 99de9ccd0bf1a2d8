import { connect, createServer, type Server, type Socket } from "node:net";
import { errnoOf } from "../../mesh/mesh-error.ts";
import { LocalError } from "../local-error.ts";

/** A port of the host's 127.0.0.1 that leads into the cluster. */
export interface PublishedPort {
  readonly port: number;
  /** Where its connections go from now on; before, they are reset. */
  forwardTo(target: { readonly ip: string; readonly port: number }): void;
  close(): Promise<void>;
}

/**
 * Opens the port. Must be called while the process is still in the host's network namespace: the listener stays there,
 * and what it dials later comes out in the cluster's.
 */
export async function publishPort(port: number): Promise<PublishedPort> {
  let target: { readonly ip: string; readonly port: number } | undefined;
  const sockets = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    client.on("error", () => undefined);
    if (target === undefined) {
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ host: target.ip, port: target.port, allowHalfOpen: true, noDelay: true });
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    }
    join(client, upstream);
  });
  await listen(server, port);
  const address = server.address();
  return {
    port: typeof address === "object" && address !== null ? address.port : port,
    forwardTo: (next) => {
      target = next;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function join(client: Socket, upstream: Socket): void {
  client.on("error", () => upstream.destroy());
  upstream.on("error", () => client.resetAndDestroy());
  client.on("close", () => upstream.destroy());
  upstream.on("close", () => client.destroySoon());
  client.pipe(upstream);
  upstream.pipe(client);
}

function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      const mend =
        errnoOf(cause) === "EADDRINUSE"
          ? "is in use; stop what listens there or choose another with --publish"
          : cause.message;
      reject(new LocalError("port_in_use", `port ${port} of 127.0.0.1 ${mend}`, { cause }));
    });
    server.listen(port, "127.0.0.1", () => resolve());
  });
}
