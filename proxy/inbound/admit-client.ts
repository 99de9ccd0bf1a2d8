import type { Socket } from "node:net";
import type { SpiffeId } from "../../mesh/identity/spiffe-id.ts";
import type { VerifiedPeer } from "../connections/handshake.ts";
import { type Arrival, decisionOf, type OpenedApplication, portOf } from "./inbound-arrival.ts";
import { terminateTls } from "./terminate-tls.ts";

/** A client that the policy allows. */
export interface AdmittedClient {
  /** Its bytes, decrypted. */
  readonly socket: Socket;
  /** `undefined`: plaintext. */
  readonly peer: VerifiedPeer | undefined;
  /** The identity that was presented to the peer. */
  readonly own: SpiffeId | undefined;
  /** Whether a new handshake would present the same certificate. */
  readonly isCertificateCurrent: () => boolean;
  /** The protocol that the handshake's ALPN names. */
  readonly alpn: string | undefined;
  /** The server name that the client asked for: in its handshake, or in the TLS that is handed on. */
  readonly sni: string | undefined;
  /** Whether the port's mode still admits it. */
  readonly isAdmitted: () => boolean;
  /** Already open if the first bytes had to be awaited from both sides. */
  readonly application: OpenedApplication | undefined;
}

/** Terminates the client's TLS and judges its certificate. `undefined`: it has been refused. */
export async function admitMutualTls(arrival: Arrival): Promise<AdmittedClient | undefined> {
  const { socket, options, connection, opening } = arrival;
  opening.awaitProof();
  connection.decide({ stage: "accepted", isAllowed: () => true });
  const material = options.secureContexts.current();
  if (material === undefined)
    return connection.refuse("handshake", "no_svid", "this workload has no valid certificate");
  const result = await terminateTls(socket, {
    clock: options.clock,
    timeoutMs: options.limits.handshakeTimeoutMs,
    material,
    trust: () => options.secureContexts.trust(),
    protocol: portOf(arrival)?.protocol,
  });
  if (result.kind === "failed") return connection.refuse("handshake", result.reason, result.message);
  const { socket: client, peer } = result;
  connection.hold(client);
  opening.awaitFirstBytes(true);
  connection.decide({ stage: "waiting", peer, rule: decisionOf(arrival).rule, isAllowed: () => true });
  const alpn = nameOf(client.alpnProtocol);
  const sni = nameOf(client.servername);
  const { identity, generation } = material;
  const isCertificateCurrent = (): boolean => options.secureContexts.current()?.generation === generation;
  const isAdmitted = (): boolean => true;
  return { socket: client, peer, own: identity, isCertificateCurrent, alpn, sni, isAdmitted, application: undefined };
}

/** Node has `false` and `null` for what was not negotiated. */
function nameOf(negotiated: unknown): string | undefined {
  return typeof negotiated === "string" && negotiated !== "" ? negotiated : undefined;
}

/**
 * Admits a client in plaintext. From here on it is cut as soon as the port becomes STRICT.
 * @param sni of its own TLS, if that was read
 */
export function admitPlaintext(arrival: Arrival, sni?: string | undefined): AdmittedClient {
  const { socket, connection, opening } = arrival;
  const isAdmitted = (): boolean => decisionOf(arrival).mode !== "STRICT";
  opening.awaitFirstBytes(false);
  connection.decide({ stage: "waiting", peer: undefined, rule: decisionOf(arrival).rule, isAllowed: isAdmitted });
  return { ...PLAINTEXT, socket, sni, isAdmitted };
}

const PLAINTEXT = {
  peer: undefined,
  own: undefined,
  isCertificateCurrent: () => true,
  alpn: undefined,
  application: undefined,
} as const;
