import type { CertificateFiles } from "./certificates.ts";
import { SERVER_NAME } from "./identities.ts";

export interface PeerPorts {
  readonly client: number;
  readonly mesh: number;
  readonly backend: number;
}

/**
 * HAProxy as both sides in one process of one thread, HTTP on both hops, mutual TLS 1.3 between them.
 *
 * Tuned as its manual advises: every idle connection may serve any request (`http-reuse always`), and none is thrown
 * away to save descriptors (`pool-max-conn -1`, `tune.pool-low-fd-ratio`); session tickets stay on, so that a new
 * connection of the mesh hop resumes; no log, no checks. TLS 1.3 takes AES-256-GCM, X25519 and P-256 as the others do.
 */
export function formatHaproxyConfig(ports: PeerPorts, certificates: CertificateFiles): string {
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
  server mesh 127.0.0.1:${ports.mesh} pool-max-conn -1 pool-purge-delay 60s ssl verify required verifyhost ${SERVER_NAME} sni str(${SERVER_NAME}) ca-file ${certificates.root} crt ${certificates.client}

frontend server_side
  bind 127.0.0.1:${ports.mesh} ssl crt ${certificates.server} ca-file ${certificates.root} verify required
  default_backend application

backend application
  server application 127.0.0.1:${ports.backend} pool-max-conn -1 pool-purge-delay 60s
`;
}
