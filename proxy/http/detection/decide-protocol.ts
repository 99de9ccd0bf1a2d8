import { carriesRequests } from "../../../mesh/policy/declared-protocol.ts";
import type { DeclaredProtocol } from "../../../mesh/policy/types.ts";

/** A connection's protocol; `http`: requests of any version; `detect`: its first bytes decide. */
export type ProtocolDecision = "http" | "stream" | "detect";

/** The protocols of requests that a handshake may name; `istio` alone says nothing. */
const REQUESTS: ReadonlySet<string> = new Set(["istio-h2", "h2", "istio-http/1.1", "istio-http/1.0", "http/1.1"]);

/**
 * The port's declared protocol, else the one that was agreed in the handshake, else `detect`. Which version of HTTP a
 * client speaks is read from its first bytes in any case, as Istio does: HTTP/2 on a port that is declared HTTP/1.1 is
 * served, and the reverse.
 */
export function decideProtocol(declared: DeclaredProtocol | undefined, alpn: string | undefined): ProtocolDecision {
  if (carriesRequests(declared)) return "http";
  if (declared !== undefined) return "stream";
  return alpn !== undefined && REQUESTS.has(alpn) ? "http" : "detect";
}
