/** Requests as seen by this process's HTTP servers, for tests that wait for them. */
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { IncomingMessage } from "node:http";
import { FramedClient } from "./framed-client.ts";

const STARTED = "http.server.request.start";

/** The next request that the server on this port begins to serve, as Node passed it to the server. */
export async function nextRequest(port: number): Promise<IncomingMessage> {
  return await new Promise((resolve) => {
    const onStart = (message: unknown): void => {
      const request = typeof message === "object" && message !== null ? Reflect.get(message, "request") : undefined;
      if (!(request instanceof IncomingMessage)) return;
      const connection: unknown = request.socket;
      if (!(connection instanceof FramedClient) || connection.socket.localPort !== port) return;
      unsubscribe(STARTED, onStart);
      resolve(request);
    };
    subscribe(STARTED, onStart);
  });
}
