/** For tests: lets a client that writes raw bytes be a verified peer of the mesh. */
import { connect as connectTls, type TLSSocket } from "node:tls";
import type { Cleanup } from "../../../net/cleanup-fixture.ts";
import { HELLO, secureContextsOf } from "../../mesh-identities-fixture.ts";
import { listen } from "../../raw-sockets-fixture.ts";

/**
 * Listens in plaintext, and relays each connection over mutual TLS, as `ns1/default`, to a sidecar's inbound side. A
 * client that is reset there is closed here.
 */
export async function startMeshTunnel(cleanup: Cleanup, port: number, alpn: readonly string[]): Promise<number> {
  return await listen(cleanup, (client) => {
    client.setNoDelay(true);
    void dialMesh(cleanup, port, alpn).then((server) => {
      client.pipe(server).pipe(client);
      client.on("close", () => server.destroy());
      server.on("close", () => client.destroy());
    });
  });
}

/** A connection of `ns1/default` over mutual TLS. Resolves when the handshake is over, however it went. */
export async function dialMesh(cleanup: Cleanup, port: number, alpn: readonly string[]): Promise<TLSSocket> {
  const secureContext = secureContextsOf(HELLO).current()?.context;
  if (secureContext === undefined) throw new Error("no certificate");
  const socket = connectTls({
    ...{ port, host: "127.0.0.1", noDelay: true, secureContext, ALPNProtocols: [...alpn] },
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  socket.on("error", () => undefined);
  cleanup.addSocket(socket);
  await new Promise((resolve) => {
    socket.once("secureConnect", resolve);
    socket.once("close", resolve);
  });
  return socket;
}
