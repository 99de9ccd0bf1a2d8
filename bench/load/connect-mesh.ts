import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { type ConnectionOptions, createSecureContext } from "node:tls";
import type { CertificateFiles } from "../paths/certificates.ts";
import { SERVER_NAME } from "../paths/identities.ts";

/** How a client of the mesh port connects: mutual TLS 1.3, a full handshake each time. */
export function meshTlsOptions(certificates: CertificateFiles): ConnectionOptions {
  const pem = readFileSync(certificates.client);
  const secureContext = createSecureContext({
    cert: pem,
    key: createPrivateKey(pem).export({ type: "pkcs8", format: "pem" }),
    ca: readFileSync(certificates.root),
    minVersion: "TLSv1.3",
  });
  return { secureContext, servername: SERVER_NAME, ALPNProtocols: ["istio", "http/1.1"] };
}

/** The request that every load sends. */
export function formatRequest(file: string, isLast: boolean): string {
  return `GET ${file} HTTP/1.1\r\nHost: server\r\n${isLast ? "Connection: close\r\n" : ""}\r\n`;
}
