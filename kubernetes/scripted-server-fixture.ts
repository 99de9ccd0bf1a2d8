/** For tests: a TLS server with an API server's certificate, whose responses the test writes, right or wrong. */
import type { IncomingMessage, RequestListener } from "node:http";
import { createServer } from "node:https";
import type { Duplex } from "node:stream";
import { mintLeaf, mintRoot } from "../mesh/identity/mint-certificate-fixture.ts";
import type { Cleanup } from "../net/cleanup-fixture.ts";
import { listen } from "../net/listen.ts";
import type { ClusterAccess } from "./cluster-access.ts";

const SERVER_NAME = "kubernetes.default.svc";

/** What the server does with a request to change the protocol. */
export type UpgradeListener = (request: IncomingMessage, socket: Duplex) => void;

/** A server that listens on loopback, and the access to it. */
export async function startScriptedServer(
  cleanup: Cleanup,
  listener: RequestListener,
  onUpgrade?: UpgradeListener,
): Promise<ClusterAccess> {
  const root = mintRoot();
  const leaf = mintLeaf({
    issuer: root,
    uriSans: [],
    dnsSans: [SERVER_NAME],
    notBefore: new Date(Date.now() - 60_000),
    notAfter: new Date(Date.now() + 3_600_000),
  });
  const server = createServer({ cert: leaf.pem, key: leaf.keyPem }, listener);
  if (onUpgrade !== undefined) server.on("upgrade", onUpgrade);
  const onError = (error: Error): void => {
    throw error;
  };
  const port = await listen(server, { port: 0, host: "127.0.0.1", onError });
  cleanup.add(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    server: `https://127.0.0.1:${port}`,
    namespace: "default",
    credentials: async () => ({
      headers: { authorization: "Bearer secret-token" },
      tls: { ca: root.pem, servername: SERVER_NAME, verification: "full" },
    }),
  };
}
