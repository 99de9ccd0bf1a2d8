import type { Destination, Endpoint, MeshDestination } from "../../mesh/policy/types.ts";
import { judgeOnce } from "../connections/judge-once.ts";
import type { DialedConnection } from "./dial-destination.ts";

/**
 * Whether an open connection may continue. Plaintext must end when the rule starts to require mutual TLS, mutual TLS
 * when its server may no longer represent the destination, and every connection when its destination is refused.
 * Connections to an endpoint that is no longer listed may finish: it is draining.
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
 * Whether a connection dialled now would be the same: to a listed endpoint, in plaintext or mutual TLS as the rule
 * requires, with the same SNI, to a server that may represent the destination. Otherwise a kept connection serves no
 * further request. Envoy also drains a cluster's pools when the cluster changes.
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
 * The same for one kept connection, checked before each request and computed once for each response of the control
 * plane.
 */
export function createReuseCheck(current: () => Destination, dialed: DialedConnection): () => boolean {
  return judgeOnce(current, (destination) => wouldBeDialledSo(destination, dialed));
}

function endpointOf({ endpoints }: MeshDestination, { endpoint }: DialedConnection): Endpoint | undefined {
  return endpoints.find(({ ip, port }) => ip === endpoint.ip && port === endpoint.port);
}

/** Secure naming, as in the handshake. */
function isPeerNamed({ identities }: MeshDestination, { peer }: DialedConnection): boolean {
  return peer !== undefined && identities.includes(peer.identity);
}
