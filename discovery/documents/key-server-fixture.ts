/** For tests: an HTTP server on loopback that publishes keys as the test says. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Cleanup } from "../../net/cleanup-fixture.ts";

type Respond = (request: IncomingMessage, response: ServerResponse) => void;

export interface KeyServer {
  readonly port: number;
  /** `http://127.0.0.1:PORT` */
  readonly origin: string;
  /** The paths of all requests. */
  readonly requests: readonly string[];
  respond: Respond;
}

export async function startKeyServer(cleanup: Cleanup, respond: Respond): Promise<KeyServer> {
  const requests: string[] = [];
  const http = createServer((request, response) => {
    requests.push(request.url ?? "");
    server.respond(request, response);
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  cleanup.add(() => {
    http.closeAllConnections();
    http.close();
  });
  const address = http.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const server: KeyServer = { port, origin: `http://127.0.0.1:${port}`, requests, respond };
  return server;
}

export function sendJson(response: ServerResponse, value: unknown): void {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(value));
}
