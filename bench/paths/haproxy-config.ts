import type { CertificateFiles } from "./certificates.ts";
import { SERVER_NAME } from "./identities.ts";
import type { ApplicationProtocol } from "./path.ts";

export interface PeerPorts {
  readonly client: number;
  /** Where the server's side listens. */
  readonly mesh: number;
  /** Where the client's side connects: `mesh`, but in a check. */
  readonly dialled: number;
  readonly backend: number;
}

/** What both peers of one process are configured with. */
export interface PeerSettings {
  readonly ports: PeerPorts;
  readonly certificates: CertificateFiles;
  /** What client and backend speak. */
  readonly application: ApplicationProtocol;
}

/**
 * HAProxy as both sides in one process of one thread, HTTP on both hops, mutual TLS 1.3 between them.
 *
 * Tuned as its manual advises: every idle connection may serve any request (`http-reuse always`), and none is thrown
 * away to save descriptors (`pool-max-conn -1`, `tune.pool-low-fd-ratio`); session tickets stay on, so that a new
 * connection of the mesh hop resumes; no log, no checks. TLS 1.3 takes AES-256-GCM, X25519 and P-256 as the others do.
 * HTTP/2 is spoken where the other side is told so (`proto h2`); clients in plaintext are recognised by their preface.
 */
export function formatHaproxyConfig(settings: PeerSettings & { readonly hop: ApplicationProtocol }): string {
  const { ports, certificates, hop, application } = settings;
  const [hopProtocol, meshBind] = hop === "h2" ? [" proto h2 alpn h2", " alpn h2,http/1.1"] : ["", ""];
  return `global
  nbthread 1
  maxconn 4000
  tune.pool-low-fd-ratio 90
  tune.pool-high-fd-ratio 95
  ssl-default-bind-options ssl-min-ver TLSv1.3
  ssl-default-server-options ssl-min-ver TLSv1.3

defaults
  mode http
  http-reuse always
  option http-keep-alive
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
  timeout http-request 10s

frontend client_side
  bind 127.0.0.1:${ports.client}
  default_backend mesh

backend mesh
  server mesh 127.0.0.1:${ports.dialled}${hopProtocol} pool-max-conn -1 pool-purge-delay 60s ssl verify required verifyhost ${SERVER_NAME} sni str(${SERVER_NAME}) ca-file ${certificates.root} crt ${certificates.client}

frontend server_side
  bind 127.0.0.1:${ports.mesh} ssl crt ${certificates.server} ca-file ${certificates.root} verify required${meshBind}
  default_backend application

backend application
  server application 127.0.0.1:${ports.backend}${application === "h2" ? " proto h2" : ""} pool-max-conn -1 pool-purge-delay 60s
`;
}
