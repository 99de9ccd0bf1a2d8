import { once } from "node:events";
import { createServer } from "node:net";
import { connect, TLSSocket } from "node:tls";
import { afterEach, describe, expect, it } from "vitest";
import { Cleanup } from "../cleanup-fixture.ts";
import { listen } from "../listen.ts";
import { loadHandshakeGuard } from "./handshake-guard.ts";
import { createTlsContext } from "./tls-contexts.ts";
import { MATERIAL } from "./tls-material-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

/** The server responds with the group that its side saw. */
async function startServer(): Promise<number> {
  const server = createServer((raw) => {
    const socket = new TLSSocket(raw, {
      isServer: true,
      secureContext: createTlsContext(MATERIAL),
      requestCert: true,
      rejectUnauthorized: true,
    });
    cleanup.addSocket(socket);
    socket.on("secure", () => socket.write(loadHandshakeGuard().endingHandshake(socket)?.keyExchangeGroup ?? "?"));
  });
  cleanup.add(() => server.close());
  return await listen(server, { port: 0, host: "127.0.0.1", onError: () => undefined });
}

function dial(port: number, options: { readonly ecdhCurve?: string; readonly maxVersion?: "TLSv1.2" }): TLSSocket {
  const socket = connect({ port, host: "127.0.0.1", rejectUnauthorized: false, ...MATERIAL, ...options });
  cleanup.addSocket(socket);
  return socket;
}

const CLIENTS = [
  { options: { ecdhCurve: "X25519MLKEM768" }, group: "X25519MLKEM768" },
  { options: { ecdhCurve: "X25519" }, group: "x25519" },
  { options: { ecdhCurve: "P-256" }, group: "secp256r1" },
  { options: { ecdhCurve: "P-256", maxVersion: "TLSv1.2" }, group: "secp256r1" },
] as const;

describe("the key exchange group of a handshake", () => {
  it("is known on the server's side, for each of many at once", async () => {
    const port = await startServer();
    const seen = await Promise.all(
      Array.from({ length: 24 }, async (_, index) => {
        const client = CLIENTS[index % CLIENTS.length];
        const [data] = await once(dial(port, client?.options ?? {}), "data");
        return { seen: String(data), group: client?.group };
      }),
    );
    expect(seen.map((row) => row.seen)).toEqual(seen.map(({ group }) => group));
  });
});
