import type { Socket } from "node:net";
import { connect } from "node:tls";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import { completeHandshake, type HandshakeOptions, type HandshakeResult } from "../connections/handshake.ts";

export interface OriginateOptions extends HandshakeOptions {
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
 * The same for HTTP/2. Istio's servers recognise the mesh by `istio-h2` and choose `h2`; one without HTTP/2 chooses one
 * between them.
 */
export const HTTP2_ALPN = ["istio-h2", "istio-http/1.1", "istio", "h2"] as const;

/** Whether the server has chosen HTTP/2. Nothing of it is sent to any other. */
export function isHttp2Alpn(alpn: string): boolean {
  return alpn === "istio-h2" || alpn === "h2";
}

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
