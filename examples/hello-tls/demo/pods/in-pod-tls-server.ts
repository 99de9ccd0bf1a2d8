/**
 * Runs inside a pod's network: a TLS server that presents the certificate it is given and responds to any request, until its
 * time is up. It prints a line when it listens.
 */
import { argv, stdout } from "node:process";
import { createServer } from "node:tls";
import type { ServedCertificate } from "../checks/impostors.ts";

const TEXT = "the attacker's server";
const RESPONSE = `HTTP/1.1 200 OK\r\nContent-Length: ${TEXT.length}\r\nConnection: close\r\n\r\n${TEXT}`;

// The demo starts this file itself, with a certificate of its own making as the argument.
const served: ServedCertificate = JSON.parse(argv[2] ?? "{}");
const server = createServer(
  {
    cert: served.certificatePem,
    key: served.keyPem,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNProtocols: ["istio"],
  },
  (socket) => {
    socket.on("error", () => socket.destroy());
    socket.once("data", () => socket.end(RESPONSE));
  },
);
server.on("tlsClientError", () => undefined);
server.listen(served.port, "0.0.0.0", () => stdout.write("listening\n"));
setTimeout(() => process.exit(0), served.lifetimeMs);
