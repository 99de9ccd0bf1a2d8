import type { DeclaredProtocol } from "../../../mesh/policy/types.ts";

/** What a connection carries; `detect`: its first bytes tell. */
export type ProtocolDecision = "http" | "stream" | "detect";

/**
 * What the port's declaration says, else what Istio's client said in the handshake, else it is to be found out. HTTP/2
 * is relayed as a stream.
 */
export function decideProtocol(declared: DeclaredProtocol | undefined, alpn: string | undefined): ProtocolDecision {
  if (declared === "http") return "http";
  if (declared !== undefined) return "stream";
  if (alpn === "istio-http/1.1" || alpn === "istio-http/1.0" || alpn === "http/1.1") return "http";
  return alpn === "istio-h2" || alpn === "h2" ? "stream" : "detect";
}
