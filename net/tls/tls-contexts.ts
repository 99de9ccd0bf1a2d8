import { constants } from "node:crypto";
import { createSecureContext, type SecureContext, type SecureContextOptions, type Server } from "node:tls";
import { loadHandshakeGuard } from "./handshake-guard.ts";

/** The variable parts of a TLS context. All PEM. */
export interface TlsMaterial {
  /** Own chain, leaf first, and its key; absent for a client without a certificate. */
  readonly cert?: string;
  readonly key?: string;
  /** The authorities that OpenSSL trusts. Absent for a server that requests no client certificate. */
  readonly ca?: string;
}

/** The hybrid post-quantum group first; a peer without it uses one of the others. */
const KEY_EXCHANGE_GROUPS = "X25519MLKEM768:X25519:P-256";

/** TLS 1.3's suites, then those of Istio's sidecars for TLS 1.2. */
const CIPHERS = [
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "TLS_AES_128_GCM_SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "AES256-GCM-SHA384",
  "AES128-GCM-SHA256",
].join(":");

/**
 * No tickets: on a resumed session Node reports `authorized` without having seen a certificate (compare
 * CVE-2022-21654). No renegotiation: it could change the peer after the verdict (CVE-2009-3555), and each one costs a
 * signature. The server's order of suites and groups applies, so that a client cannot choose the weakest.
 */
const SECURE_OPTIONS =
  constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE;

/** The TLS settings of every listener and every dialler of the mesh. A context overrides a socket's options. */
function tlsOptions(material: TlsMaterial): SecureContextOptions {
  return {
    ...material,
    minVersion: "TLSv1.2",
    maxVersion: "TLSv1.3",
    ecdhCurve: KEY_EXCHANGE_GROUPS,
    ciphers: CIPHERS,
    secureOptions: SECURE_OPTIONS,
  };
}

/** A context for individually created sockets, on either side. */
export function createTlsContext(material: TlsMaterial): SecureContext {
  const context = createSecureContext(tlsOptions(material));
  loadHandshakeGuard().protect(context);
  return context;
}

/**
 * Sets or replaces the context of a server of `node:tls`, `node:https` or `node:http2`; open connections keep theirs.
 */
export function setServerContext(server: Server, material: TlsMaterial): void {
  server.setSecureContext(tlsOptions(material));
  loadHandshakeGuard().protect(contextOf(server));
}

/** The context is stored on the server, without a public accessor. */
function contextOf(server: Server): SecureContext {
  const context: unknown = Reflect.get(server, "_sharedCreds");
  if (isSecureContext(context)) return context;
  throw new TypeError("a TLS server of this Node does not expose its context");
}

function isSecureContext(value: unknown): value is SecureContext {
  return typeof value === "object" && value !== null && "context" in value;
}
