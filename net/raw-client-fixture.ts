/** Raw clients for tests. */

import { once } from "node:events";
import { connect, type Server, type Socket } from "node:net";
import type { Cleanup } from "./cleanup-fixture.ts";

/** Connects a raw client. @param localAddress as which the server sees it */
export async function dialRaw(cleanup: Cleanup, port: number, localAddress = "127.0.0.1"): Promise<Socket> {
  const socket = connect({ port, host: "127.0.0.1", localAddress, allowHalfOpen: true });
  socket.on("error", () => undefined);
  cleanup.addSocket(socket);
  await once(socket, "connect");
  return socket;
}

/** Sends raw bytes, and returns everything received until the peer closes. */
export async function sendRaw(cleanup: Cleanup, port: number, text: string): Promise<string> {
  const socket = await dialRaw(cleanup, port);
  socket.write(text, "latin1");
  return await readUntilClosed(socket);
}

export async function readUntilClosed(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on("data", (chunk: Buffer) => chunks.push(chunk));
  if (!socket.closed) {
    if (socket.readableEnded) socket.end();
    else socket.once("end", () => socket.end());
    await new Promise((resolve) => socket.once("close", resolve));
  }
  return Buffer.concat(chunks).toString("latin1");
}

/** Reads until the text contains this. */
export async function readUntil(socket: Socket, wanted: string): Promise<string> {
  let text = "";
  return await new Promise((resolve, reject) => {
    const onClose = (): void => reject(new Error(`closed before ${JSON.stringify(wanted)}: ${text}`));
    const onData = (chunk: Buffer): void => {
      text += chunk.toString("latin1");
      if (!text.includes(wanted)) return;
      socket.off("data", onData);
      socket.off("close", onClose);
      resolve(text);
    };
    socket.on("data", onData);
    socket.once("close", onClose);
  });
}

export async function listen(cleanup: Cleanup, server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server does not listen on a port");
  return address.port;
}
