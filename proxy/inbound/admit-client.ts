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
    protocol: portOf(arrival)?.protocol,
  });
  if (result.kind === "failed") return connection.refuse("handshake", result.reason, result.message);
  const { socket: client, peer } = result;
  connection.hold(client);
  opening.awaitFirstBytes(true);
  connection.decide({ stage: "waiting", peer, rule: decisionOf(arrival).rule, isAllowed: () => true });
  const alpn = typeof client.alpnProtocol === "string" ? client.alpnProtocol : undefined;
  const { identity, generation } = material;
  const isCertificateCurrent = (): boolean => options.secureContexts.current()?.generation === generation;
  return { socket: client, peer, own: identity, isCertificateCurrent, alpn, application: undefined };
}

/** Admits a client in plaintext. From here on it is cut as soon as the port becomes STRICT. */
export function admitPlaintext(arrival: Arrival): AdmittedClient {
  const { socket, connection, opening } = arrival;
  const isAllowed = (): boolean => decisionOf(arrival).mode !== "STRICT";
  opening.awaitFirstBytes(false);
  connection.decide({ stage: "waiting", peer: undefined, rule: decisionOf(arrival).rule, isAllowed });
  return { ...PLAINTEXT, socket };
}

const PLAINTEXT = {
  peer: undefined,
  own: undefined,
  isCertificateCurrent: () => true,
  alpn: undefined,
  application: undefined,
} as const;
