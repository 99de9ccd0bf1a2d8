import type { Socket } from "node:net";
import { connect } from "node:tls";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { completeHandshake, type HandshakeResult } from "../connections/handshake.ts";
import type { SecureMaterial } from "../tls/secure-context-source.ts";

export interface OriginateOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly material: SecureMaterial;
  /** `outbound_.PORT_.SUBSET_.HOST`. */
  readonly sni: string;
  /**
   * The identities that the server may have; an empty list allows none (stricter than Istio, which then checks no name
   * at all).
   */
  readonly expected: readonly SpiffeId[];
  readonly alpnProtocols: readonly string[];
}

/** ALPN of a mutual TLS connection whose inner protocol is not known to be HTTP. */
export const STREAM_ALPN = ["istio"] as const;

/** The same for HTTP/1.1; an older or simpler server chooses the second. */
export const HTTP_ALPN = ["istio-http/1.1", "istio"] as const;

/**
 * Becomes the TLS client on a connected socket and verifies the server: chain, trust domain and secure naming. Nothing
 * is written before the verdict. Sessions are never resumed, so every connection verifies a certificate.
 */
export async function originateTls(socket: Socket, options: OriginateOptions): Promise<HandshakeResult> {
  const secured = connect({
    socket,
    secureContext: options.material.context,
    servername: options.sni,
    ALPNProtocols: [...options.alpnProtocols],
    rejectUnauthorized: false,
    checkServerIdentity: () => undefined,
  });
  return await completeHandshake(secured, "secureConnect", options);
}
