/** The other end of a hostile handshake, in a thread of its own so that its work is not counted. */
import { createServer } from "node:net";
import { connect, createSecureContext, TLSSocket } from "node:tls";
import { parentPort } from "node:worker_threads";
import { formatChainPem } from "../../mesh/identity/hostile-chain-fixture.ts";
import { KINDS, randomChain } from "./random-chain.ts";

/** What the attacker is told: to show a chain of this kind to this port, or as the server of a port that it reports. */
export interface Attack {
  readonly kind: string;
  readonly version: "TLSv1.2" | "TLSv1.3";
  /** `undefined`: as a server. */
  readonly port: number | undefined;
}

const ignore = (): void => undefined;

parentPort?.on("message", ({ kind: wanted, version, port }: Attack) => {
  const kind = KINDS.find(({ name }) => name === wanted);
  if (kind === undefined) throw new Error(`there is no kind of chain "${wanted}"`);
  const chain = randomChain(kind);
  const key = chain.key.export({ type: "pkcs8", format: "pem" }).toString();
  // Level 0: OpenSSL would not even send some of these keys.
  const options = { cert: formatChainPem(chain), key, maxVersion: version, ciphers: "DEFAULT@SECLEVEL=0" } as const;
  const secureContext = createSecureContext(options);
  if (port !== undefined) {
    const socket = connect({
      port,
      host: "127.0.0.1",
      secureContext,
      rejectUnauthorized: false,
      ALPNProtocols: ["istio"],
    });
    socket.on("error", ignore);
    socket.resume();
    return;
  }
  const server = createServer((raw) => {
    server.close();
    const socket = new TLSSocket(raw, { isServer: true, secureContext, ALPNProtocols: ["istio"] });
    socket.on("error", ignore);
    socket.resume();
  });
  server.listen(0, "127.0.0.1", () => {
    const address = server.address();
    parentPort?.postMessage(typeof address === "object" ? address?.port : undefined);
  });
});
