/** For tests: HTTP/2 servers of Node, behind mutual TLS of the mesh or in plaintext. */
import { once } from "node:events";
import { createServer, type ServerHttp2Session, type ServerHttp2Stream, type Settings } from "node:http2";
import { connect, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Cleanup } from "../../../net/cleanup-fixture.ts";
import { secureContextsOf, WORLD } from "../../mesh-identities-fixture.ts";
import { listen } from "../../raw-sockets-fixture.ts";

export interface Http2ServerOptions {
  /** The protocols that it speaks, best first. `plaintext`: without TLS. @default istio-h2 */
  readonly alpn?: readonly string[] | "plaintext";
  readonly settings?: Settings;
  readonly onStream: (stream: ServerHttp2Stream, headers: Readonly<Record<string, unknown>>) => void;
}

export interface Http2Server {
  readonly port: number;
  /** All sessions so far. */
  readonly sessions: readonly ServerHttp2Session[];
  /** What clients have offered by ALPN. */
  readonly offered: readonly (readonly string[])[];
}

/**
 * A server of HTTP/2 on loopback, with the identity WORLD. TLS ends in front of it: Node's sessions do not take over a
 * socket that was secured by hand.
 */
export async function startHttp2Server(cleanup: Cleanup, options: Http2ServerOptions): Promise<Http2Server> {
  const sessions: ServerHttp2Session[] = [];
  const offered: (readonly string[])[] = [];
  const server = createServer({ settings: options.settings ?? {} });
  server.on("session", (session) => {
    sessions.push(session);
    session.on("error", () => undefined);
  });
  server.on("stream", (stream, headers) => {
    stream.on("error", () => undefined);
    options.onStream(stream, headers);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add(() => server.close());
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const plain = address.port;
  const port = await listenUpstream(cleanup, options.alpn ?? ["istio-h2"], (socket, offer) => {
    if (offer !== undefined) offered.push(offer);
    const inner = connect({ port: plain, host: "127.0.0.1", allowHalfOpen: true });
    cleanup.addSocket(inner);
    for (const [one, other] of [
      [socket, inner],
      [inner, socket],
    ] as const) {
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
      one.pipe(other);
    }
  });
  return { port, sessions, offered };
}

/**
 * Accepts connections of sidecars. @param alpn the protocols that it speaks, best first; `plaintext`: without TLS.
 * @param onSocket receives each connection, after its handshake.
 */
export async function listenUpstream(
  cleanup: Cleanup,
  alpn: readonly string[] | "plaintext",
  onSocket: (socket: Socket, offered: readonly string[] | undefined) => void,
): Promise<number> {
  const contexts = secureContextsOf(WORLD);
  return await listen(cleanup, (socket) => {
    socket.on("error", () => undefined);
    if (alpn === "plaintext") {
      onSocket(socket, undefined);
      return;
    }
    const material = contexts.current();
    if (material === undefined) throw new Error("no certificate");
    let offered: readonly string[] = [];
    const secured = new TLSSocket(socket, {
      isServer: true,
      secureContext: material.context,
      requestCert: true,
      ALPNCallback: ({ protocols }) => {
        offered = protocols;
        return alpn.find((protocol) => protocols.includes(protocol));
      },
    });
    secured.on("error", () => undefined);
    secured.once("secure", () => onSocket(secured, offered));
  });
}
