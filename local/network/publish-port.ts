import { connect, createServer, type Server, type Socket } from "node:net";
import { MeshError } from "../../mesh/mesh-error.ts";
import { listen } from "../../net/listen.ts";
import type { SocketAddress } from "../../net/socket-address.ts";
import { LocalError } from "../local-error.ts";

/** A port of the host's 127.0.0.1 that leads into the cluster. */
export interface PublishedPort {
  readonly port: number;
  /** Sets the destination of its connections; until then they are reset. */
  forwardTo(target: SocketAddress): void;
  close(): Promise<void>;
}

export interface PortRequest {
  /** 0 means any free port. */
  readonly hostPort: number;
  /** What happens if another program listens there: `fail`, or another free port is used. @default "fail" */
  readonly whenTaken?: "fail" | "use_another";
}

/**
 * Opens the port. Must be called while the process is still in the host's network namespace: the listener stays there,
 * and connections that it dials later start in the cluster's.
 */
export async function publishPort(request: PortRequest): Promise<PublishedPort> {
  let target: SocketAddress | undefined;
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
  return {
    port: await open(server, request),
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

/** @returns the port that was opened */
async function open(server: Server, { hostPort, whenTaken = "fail" }: PortRequest): Promise<number> {
  const opened = await tryPort(server, hostPort);
  if (opened.kind === "open") return opened.port;
  const other = whenTaken === "use_another" ? await tryPort(server, 0) : opened;
  if (other.kind === "open") return other.port;
  const reason = "is in use; stop the program that listens there, or choose another with --publish";
  throw new LocalError("port_in_use", `port ${hostPort} of 127.0.0.1 ${reason}`, { cause: opened.cause });
}

type Attempt = { readonly kind: "open"; readonly port: number } | { readonly kind: "taken"; readonly cause: MeshError };

async function tryPort(server: Server, port: number): Promise<Attempt> {
  try {
    // A connection that cannot be accepted affects only its client.
    return { kind: "open", port: await listen(server, { port, host: "127.0.0.1", onError: () => undefined }) };
  } catch (caught) {
    const cause = MeshError.from(caught);
    if (cause.code === "port_in_use") return { kind: "taken", cause };
    throw cause;
  }
}
