import { connect, createServer, type Socket } from "node:net";
import type { Http2RequestHead, Http2ResponseHead } from "../message-head.ts";
import type { Http2ClientConnection } from "./http2-client-connection.ts";
import type { Http2Connection } from "./http2-connection.ts";
import type { Http2Event } from "./http2-events.ts";
import type { Http2ServerConnection } from "./http2-server-connection.ts";

/** The smallest shell: one socket, one engine, and a handler of events. */
export interface EngineShell {
  /** Writes what the engine has to send. */
  flush(): void;
}

/** Binds an engine to an open socket, with backpressure of the socket. */
export function bindEngine<Head>(
  socket: Socket,
  connection: Http2Connection<Head, string>,
  onEvent: (event: Http2Event<Head, string>) => void,
): EngineShell {
  let hasRoom = true;
  const flush = (): void => {
    while (hasRoom && connection.hasOutput) {
      for (const piece of connection.takeOutput()) hasRoom = socket.write(piece);
      for (const event of connection.takeEvents()) onEvent(event);
    }
    if (connection.isOver) socket.end();
  };
  socket.on("data", (chunk) => {
    for (const event of connection.receive(chunk, performance.now())) onEvent(event);
    flush();
  });
  socket.on("drain", () => {
    hasRoom = true;
    flush();
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    for (const event of connection.end()) onEvent(event);
  });
  flush();
  return { flush };
}

/** A listener whose connections an engine serves. */
export async function listenWithEngine(
  create: () => Http2ServerConnection<string>,
  onEvent: (event: Http2Event<Http2RequestHead, string>, connection: Http2ServerConnection<string>) => void,
): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((socket) => {
    const connection = create();
    bindEngine(socket, connection, (event) => onEvent(event, connection));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return { port: address.port, close: () => server.close() };
}

/** An engine that is connected to a port of this machine. */
export function connectWithEngine(
  port: number,
  connection: Http2ClientConnection<string>,
  onEvent: (event: Http2Event<Http2ResponseHead, string>) => void,
): EngineShell & { close(): void } {
  const socket = connect(port, "127.0.0.1");
  const shell = bindEngine(socket, connection, onEvent);
  return { flush: shell.flush, close: () => socket.destroy() };
}
