import type { Destination, Endpoint, MeshDestination } from "../../mesh/policy/types.ts";
import { judgeOnce } from "../connections/judge-once.ts";
import type { DialedConnection } from "./dial-destination.ts";

/**
 * Whether an open connection may go on: plaintext must end when the rule begins to demand mutual TLS, mutual TLS when
 * its server may no longer stand for the destination, and every connection when its destination is refused.
 * An endpoint that is no longer listed is left alone: it is draining, and its connections may finish.
 */
export function isStillAllowed(destination: Destination, dialed: DialedConnection): boolean {
  switch (destination.kind) {
    case "refused":
      return false;
    case "passthrough":
      return true;
    case "mesh": {
      const endpoint = endpointOf(destination, dialed);
      return endpoint === undefined || !endpoint.mutualTls || isPeerNamed(destination, dialed);
    }
  }
}

/**
 * Whether a connection that is dialled now would be the same: to an endpoint that is listed, in plaintext or mutual TLS
 * as the rule says, under the same SNI, to a server that may stand for the destination. A kept connection of which this
 * is no longer true serves no further request. Envoy drains a cluster's pools likewise when the cluster changes.
 */
export function wouldBeDialledSo(destination: Destination, dialed: DialedConnection): boolean {
  switch (destination.kind) {
    case "refused":
      return false;
    case "passthrough":
      return dialed.meshEndpoint === undefined;
    case "mesh": {
      const endpoint = dialed.meshEndpoint === undefined ? undefined : endpointOf(destination, dialed);
      if (endpoint === undefined) return false;
      if (!endpoint.mutualTls) return dialed.peer === undefined;
      return dialed.sni === destination.sni && isPeerNamed(destination, dialed);
    }
  }
}

/**
 * The same for one kept connection, asked before each request: it is judged once for each answer of the control plane.
 */
export function createReuseCheck(current: () => Destination, dialed: DialedConnection): () => boolean {
  return judgeOnce(current, (destination) => wouldBeDialledSo(destination, dialed));
}

function endpointOf({ endpoints }: MeshDestination, { endpoint }: DialedConnection): Endpoint | undefined {
  return endpoints.find(({ ip, port }) => ip === endpoint.ip && port === endpoint.port);
}

/** Secure naming, as at the handshake. */
function isPeerNamed({ identities }: MeshDestination, { peer }: DialedConnection): boolean {
  return peer !== undefined && identities.includes(peer.identity);
}
