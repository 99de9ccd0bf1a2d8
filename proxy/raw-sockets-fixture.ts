/** For tests of the data plane: servers and clients on loopback that read and write bytes. */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import type { Cleanup } from "../net/cleanup-fixture.ts";
import { ACCEPT_OPTIONS, type CapturedConnection } from "./capture/capture-listener.ts";

/** Listens on a free port of loopback; its connections end with the test. */
export async function listen(cleanup: Cleanup, onConnection: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    cleanup.addSocket(socket);
    onConnection(socket);
  });
  await listening(server, cleanup);
  return portOf(server);
}

async function listening(server: Server, cleanup: Cleanup, port = 0): Promise<void> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  cleanup.add(() => server.close());
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen on a port");
  return (address satisfies AddressInfo).port;
}

/** Listens like a capture listener: every connection had this port as its original destination. @param port @default any */
export async function listenCaptured(
  cleanup: Cleanup,
  originalPort: number,
  handle: (connection: CapturedConnection) => void,
  port = 0,
): Promise<number> {
  const server = createServer(ACCEPT_OPTIONS, (socket) => {
    socket.on("error", () => undefined);
    cleanup.addSocket(socket);
    handle({ socket, destination: { ip: "127.0.0.1", port: originalPort } });
  });
  await listening(server, cleanup, port);
  return portOf(server);
}

/** Starts to connect a raw client, which may be reset at once; it is closed with the test. */
export function connectClient(cleanup: Cleanup, port: number): Socket {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined);
  cleanup.addSocket(socket);
  return socket;
}

/** Everything that a socket receives until it is closed or reset; `reset` distinguishes the two. */
export async function readAll(socket: Socket): Promise<{ readonly text: string; readonly reset: boolean }> {
  const chunks: Buffer[] = [];
  return await new Promise((resolve) => {
    const finish = (reset: boolean): void => resolve({ text: Buffer.concat(chunks).toString("latin1"), reset });
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.once("end", () => finish(false));
    socket.once("error", () => finish(true));
    socket.once("close", () => finish(true));
  });
}
