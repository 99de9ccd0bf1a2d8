/** For tests with revoked peers: connections of each kind, and an application that keeps them open. */
import { createServer } from "node:http";
import type { Socket } from "node:net";
import type { DeclaredProtocol, UpstreamHttpVersion } from "../mesh/policy/types.ts";
import type { Cleanup } from "../net/cleanup-fixture.ts";
import { listen as listenHttp, readUntil } from "../net/raw-client-fixture.ts";
import { connectClient, listen } from "./raw-sockets-fixture.ts";

/** A connection between two sidecars, and how a client opens it. */
export interface ConnectionKind {
  readonly name: string;
  readonly protocol: DeclaredProtocol;
  readonly hopVersion: UpstreamHttpVersion;
  /** What the client sends. */
  readonly opening: string;
  /** What it then receives; empty: nothing. */
  readonly opened: string;
}

const HOST = "Host: world.ns2\r\n";

export const CONNECTION_KINDS: readonly ConnectionKind[] = [
  { name: "a stream", protocol: "tcp", hopVersion: "client", opening: "ping", opened: "ping" },
  {
    name: "a connection of HTTP/1.1 with a response in progress",
    protocol: "http",
    hopVersion: "1.1",
    opening: `GET /begun HTTP/1.1\r\n${HOST}\r\n`,
    opened: "begun",
  },
  {
    name: "a connection of HTTP/1.1 that is kept",
    protocol: "http",
    hopVersion: "1.1",
    opening: `GET / HTTP/1.1\r\n${HOST}\r\n`,
    opened: "whole",
  },
  {
    name: "a shared connection of HTTP/2 with a response in progress",
    protocol: "http",
    hopVersion: "2",
    opening: `GET /begun HTTP/1.1\r\n${HOST}\r\n`,
    opened: "begun",
  },
  {
    name: "a tunnel",
    protocol: "http",
    hopVersion: "1.1",
    opening: `GET /tunnel HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: echo\r\n\r\n`,
    opened: "101 Switching Protocols",
  },
];

/** Opens a connection of this kind through a sidecar's outbound port; resolves when it is in use. */
export async function openConnection(cleanup: Cleanup, port: number, kind: ConnectionKind): Promise<Socket> {
  const client = connectClient(cleanup, port);
  client.write(kind.opening);
  if (kind.opened !== "") await readUntil(client, kind.opened);
  return client;
}

export interface HoldingApplication {
  readonly port: number;
  /** Of the requests that have arrived. */
  readonly paths: readonly (string | undefined)[];
}

/** An application of that protocol: a stream is echoed, and what a path is called says how it responds. */
export async function startHoldingApplication(
  cleanup: Cleanup,
  protocol: DeclaredProtocol,
): Promise<HoldingApplication> {
  const paths: (string | undefined)[] = [];
  if (protocol === "tcp") return { paths, port: await listen(cleanup, (socket) => socket.pipe(socket)) };
  const server = createServer(({ url }, response) => {
    paths.push(url);
    if (url === "/begun") response.write("begun");
    else if (url !== "/silent") response.end("whole");
  });
  // It never ends an idle connection: on a busy machine it would do so before the sidecar, whose limit is shorter.
  server.keepAliveTimeout = 0;
  server.on("upgrade", (_request, socket) => {
    socket.on("error", () => undefined);
    socket.write("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n");
    socket.pipe(socket);
  });
  cleanup.add(() => server.closeAllConnections());
  return { paths, port: await listenHttp(cleanup, server) };
}
