import type { ConnectionAttributes } from "../../mesh/policy/authorization/authorization.ts";
import { ConnectionPolicies } from "../http/authorization/connection-policies.ts";
import { denialDetails } from "../http/authorization/denial-reply.ts";
import type { AdmittedClient } from "./admit-client.ts";
import { type Arrival, portOf } from "./inbound-arrival.ts";

type KnownClient = Pick<AdmittedClient, "peer" | "sni">;

/** The AuthorizationPolicies of this workload, for one client. */
export function policiesFor(arrival: Arrival, client: KnownClient): ConnectionPolicies {
  return new ConnectionPolicies(arrival.options.policies, attributesOf(arrival, client));
}

function attributesOf({ sourceIp, destination }: Arrival, { peer, sni }: KnownClient): ConnectionAttributes {
  return {
    peer: peer?.identity,
    sourceIp,
    remoteIp: sourceIp,
    destinationIp: destination.ip,
    destinationPort: destination.port,
    sni,
  };
}

/** A client of which nothing is known but its address. */
export const UNKNOWN_CLIENT: KnownClient = { peer: undefined, sni: undefined };

/**
 * Judges a connection as a stream, and refuses it if it is denied.
 * @param isFinal it is forwarded next: an allowed one is counted.
 */
export function authorizeStream(
  arrival: Arrival,
  client: KnownClient,
  policies: ConnectionPolicies,
  isFinal: boolean,
): boolean {
  const verdict = policies.judgeStream();
  if (verdict === undefined) return true;
  const { options, connection, destination } = arrival;
  const { observer, http, inbound } = options;
  if (verdict.kind === "allowed") {
    if (isFinal) http.context.meters.countVerdict(verdict, "tcp");
    return true;
  }
  http.context.meters.countVerdict(verdict, "tcp");
  const parties = { source: undefined, destination: inbound().workload, service: portOf(arrival)?.service };
  observer.opened(connection, { ...parties, authorization: verdict }).denied(denialDetails(verdict));
  const who = client.peer?.identity ?? `the plaintext client ${connection.client}`;
  const why = verdict.ruleId === "none" ? "no AuthorizationPolicy allows it" : `${verdict.ruleId} denies it`;
  connection.refuse("policy", "authorization_denied", `a stream of ${who} to port ${destination.port}: ${why}`);
  return false;
}
