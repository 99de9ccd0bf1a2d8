import type { Destination } from "../../mesh/policy/types.ts";
import type { DialedConnection } from "./dial-destination.ts";

/**
 * Plaintext must end when the rule begins to demand mutual TLS, and every connection when its destination is refused.
 * An endpoint that is no longer listed is left alone: it is draining, and its connections may finish.
 */
export function isStillAllowed(destination: Destination, dialed: DialedConnection): boolean {
  if (destination.kind === "refused") return false;
  if (destination.kind === "passthrough" || dialed.peer !== undefined) return true;
  const { ip, port } = dialed.endpoint;
  const endpoint = destination.endpoints.find((candidate) => candidate.ip === ip && candidate.port === port);
  return endpoint === undefined || !endpoint.mutualTls;
}
