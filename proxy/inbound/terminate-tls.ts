import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import { carriesRequests } from "../../mesh/policy/declared-protocol.ts";
import type { DeclaredProtocol } from "../../mesh/policy/types.ts";
import { completeHandshake, type HandshakeOptions, type HandshakeResult } from "../connections/handshake.ts";

export interface TerminateOptions extends HandshakeOptions {
  /** The application's protocol, for a client that offers none of Istio's protocols. */
  readonly protocol: DeclaredProtocol | undefined;
}

/**
 * Becomes the TLS server of a sniffed socket and verifies the client. Node's own verdict is not used: it hides its
 * reason and trusts resumed sessions. `completeHandshake` judges.
 */
export async function terminateTls(socket: Socket, options: TerminateOptions): Promise<HandshakeResult> {
  const secured = new TLSSocket(socket, {
    isServer: true,
    secureContext: options.material.context,
    requestCert: true,
    // On a wrapped socket this only makes a certificate mandatory (alert certificate_required, RFC 8446 section 6.2).
    rejectUnauthorized: true,
    ALPNCallback: ({ protocols }) => chooseAlpn(protocols, options.protocol),
  });
  // A FIN that was read while the first bytes were awaited never reaches the TLS socket.
  const onEnd = (): void => void secured.destroy();
  socket.once("end", onEnd);
  const result = await completeHandshake(secured, "secure", options);
  socket.off("end", onEnd);
  return result;
}

/**
 * Protocols that Istio's clients offer, in our order of preference. `istio-peer-exchange` is not among them: it
 * requires an exchange of metadata, which we do not support.
 */
const REQUEST_CHOICES = ["istio-h2", "istio-http/1.1", "istio-http/1.0", "istio", "h2", "http/1.1"] as const;
const STREAM_CHOICES = ["istio-http/1.1", "istio-http/1.0", "istio", "http/1.1"] as const;

/**
 * The choice from the client's ALPN offer (RFC 7301). HTTP/2 comes first: our own clients offer it only where they want
 * it. It is not chosen for a port that is declared to carry other bytes: its client's frames would reach the application
 * unchanged. Must not throw: an exception in this callback ends the process (CVE-2026-21637). `undefined` makes the
 * handshake fail with no_application_protocol.
 */
export function chooseAlpn(offered: readonly string[], protocol: DeclaredProtocol | undefined): string | undefined {
  const isStream = protocol !== undefined && !carriesRequests(protocol);
  const choices: readonly string[] = isStream ? STREAM_CHOICES : REQUEST_CHOICES;
  return choices.find((choice) => offered.includes(choice));
}
