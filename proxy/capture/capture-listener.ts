import { createServer, type Server, type Socket } from "node:net";
import { formatClient } from "../../net/client-address.ts";
import { TCP_KEEPALIVE_MS } from "../../net/connect-tcp.ts";
import { listen } from "../../net/listen.ts";
import { NetError } from "../../net/net-error.ts";
import type { SocketAddress } from "../../net/socket-address.ts";
import type { ReadOriginalDestination } from "./original-destination.ts";

/**
 * How redirected connections are accepted. Without delay: what is written behind a small piece, such as a reply to PING,
 * would wait for the peer's delayed acknowledgement, 40 ms.
 */
export const ACCEPT_OPTIONS = { allowHalfOpen: true, pauseOnConnect: true, noDelay: true } as const;

/** A connection that iptables redirected to us, and its original destination. */
export interface CapturedConnection {
  readonly socket: Socket;
  readonly destination: SocketAddress;
}

export interface CaptureListenerOptions {
  readonly port: number;
  readonly readOriginalDestination: ReadOriginalDestination;
  /** Whether this destination is the proxy itself; such a connection is not captured traffic. */
  readonly isOwnListener: (destination: SocketAddress) => boolean;
  /**
   * Whether clients can vanish without a FIN or RST. Those in the same pod cannot: its kernel closes their connections.
   */
  readonly clientsAreRemote: boolean;
  readonly onConnection: (connection: CapturedConnection) => void;
  /** A connection that did not come through iptables, or was aimed at the proxy itself. It is already closed. */
  readonly onRefused: (refusal: CaptureRefusal) => void;
  /** An error of the listener itself, such as EMFILE; it keeps listening. */
  readonly onListenerError: (error: Error) => void;
}

export interface CaptureRefusal {
  readonly reason: "no_original_destination" | "own_port";
  readonly peer: string;
  readonly destination: SocketAddress | undefined;
}

export interface CaptureListener {
  /** Stops accepting; open connections are not touched. */
  stop(): Promise<void>;
}

/**
 * Listens for redirected connections on IPv4 and, where the machine has it, IPv6. Two sockets and not one dual-stack
 * socket, because the kernel does not return an IPv4 original destination on an IPv6 socket.
 *
 * A connection whose original destination is unknown, or is a listener of the proxy itself, is reset. It was opened
 * directly to the listener, and forwarding it would loop or bypass the policy (Istio's inbound blackhole; ztunnel's
 * illegal ports).
 */
export async function startCaptureListener(options: CaptureListenerOptions): Promise<CaptureListener> {
  const servers = [await listenOn("0.0.0.0", options)];
  const ipv6 = await listenOn("::", options).catch((caught: unknown) => {
    if (caught instanceof NetError && caught.details["errno"] === "EAFNOSUPPORT") return undefined;
    if (caught instanceof NetError && caught.details["errno"] === "EADDRNOTAVAIL") return undefined;
    throw caught;
  });
  if (ipv6 !== undefined) servers.push(ipv6);
  return { stop: async () => void (await Promise.all(servers.map(closeServer))) };
}

async function listenOn(host: string, options: CaptureListenerOptions): Promise<Server> {
  const server = createServer(
    {
      ...ACCEPT_OPTIONS,
      keepAlive: options.clientsAreRemote,
      keepAliveInitialDelay: TCP_KEEPALIVE_MS,
    },
    (socket) => admit(socket, options),
  );
  await listen(server, { host, port: options.port, ipv6Only: true, onError: options.onListenerError });
  return server;
}

function admit(socket: Socket, options: CaptureListenerOptions): void {
  // Until its handler takes over, an error on the socket needs a listener; "close" follows it.
  socket.on("error", ignore);
  const destination = options.readOriginalDestination(socket);
  if (destination === undefined) refuse("no_original_destination", socket, undefined, options);
  else if (options.isOwnListener(destination)) refuse("own_port", socket, destination, options);
  else options.onConnection({ socket, destination });
}

function refuse(
  reason: CaptureRefusal["reason"],
  socket: Socket,
  destination: SocketAddress | undefined,
  options: CaptureListenerOptions,
): void {
  const peer = formatClient(socket);
  socket.resetAndDestroy();
  options.onRefused({ reason, peer, destination });
}

function ignore(): void {}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
