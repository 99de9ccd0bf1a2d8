import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { DeclaredProtocol } from "../../mesh/policy/types.ts";
import type { Clock } from "../../mesh/runtime.ts";
import { completeHandshake, type HandshakeResult } from "../connections/handshake.ts";
import type { SecureMaterial } from "../tls/secure-context-source.ts";

export interface TerminateOptions {
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly material: SecureMaterial;
  /** What the application behind speaks, for a client that offers no protocol of Istio's. */
  readonly protocol: DeclaredProtocol | undefined;
}

/**
 * Becomes the TLS server of a sniffed socket and verifies the client. Node gives no verdict here, and would hide its reason
 * and trust resumed sessions; `completeHandshake` judges.
 */
export async function terminateTls(socket: Socket, options: TerminateOptions): Promise<HandshakeResult> {
  const secured = new TLSSocket(socket, {
    isServer: true,
    secureContext: options.material.context,
    requestCert: true,
    // On a socket of one's own this only makes a certificate mandatory (alert certificate_required, RFC 8446 section 6.2).
    rejectUnauthorized: true,
    ALPNCallback: ({ protocols }) => chooseAlpn(protocols, options.protocol),
  });
  // An end that was read while the first bytes were awaited never reaches the TLS socket.
  const onEnd = (): void => void secured.destroy();
  socket.once("end", onEnd);
  const result = await completeHandshake(secured, "secure", options);
  socket.off("end", onEnd);
  return result;
}

/**
 * Tokens that Istio's clients offer, in the order in which we take them. `istio-peer-exchange` is not among them: who
 * negotiates it must then exchange metadata, which we do not.
 */
const ISTIO_CHOICES = ["istio-http/1.1", "istio-http/1.0", "istio"] as const;

/**
 * The choice from the client's ALPN offer (RFC 7301). HTTP/2 is chosen only for a port that is declared to speak it: what
 * the client then sends reaches the application as it is, and an HTTP/1.1 application would take the frames for garbage.
 * Must not throw: an exception in this callback ends the process (CVE-2026-21637). `undefined` makes the handshake fail with
 * no_application_protocol.
 */
export function chooseAlpn(offered: readonly string[], protocol: DeclaredProtocol | undefined): string | undefined {
  const choices = protocol === "http2" ? ["istio-h2", ...ISTIO_CHOICES, "h2"] : [...ISTIO_CHOICES, "http/1.1"];
  return choices.find((choice) => offered.includes(choice));
}
