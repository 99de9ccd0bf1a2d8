/** For tests: HTTPS servers on loopback, and the authority of the web that this process trusts for them. */
import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { getCACertificates, setDefaultCACertificates } from "node:tls";
import { mintLeaf, mintRoot } from "../../mesh/identity/mint-certificate-fixture.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";

const webRoot = mintRoot({ commonName: "web root" });

/** Trusts the authority of `startWebServer` in this process. Returns a function that ends it. */
export function trustWebServers(): () => void {
  const defaults = getCACertificates("default");
  setDefaultCACertificates([...defaults, webRoot.pem]);
  return () => setDefaultCACertificates(defaults);
}

/** Resolves with its origin. @param dnsName of its certificate; it is called as `localhost`. */
export async function startWebServer(
  cleanup: Cleanup,
  respond: (request: IncomingMessage, response: ServerResponse) => void,
  dnsName = "localhost",
): Promise<string> {
  const times = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const { pem: cert, keyPem: key } = mintLeaf({ issuer: webRoot, uriSans: [], dnsSans: [dnsName], ...times });
  const server = createServer({ cert, key }, respond).listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  return `https://localhost:${typeof address === "object" ? address?.port : 0}`;
}
