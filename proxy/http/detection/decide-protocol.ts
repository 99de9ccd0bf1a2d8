import type { DeclaredProtocol } from "../../../mesh/policy/types.ts";

/** A connection's protocol; `detect`: its first bytes decide. */
export type ProtocolDecision = "http" | "stream" | "detect";

/**
 * The port's declared protocol, else the one that Istio's client named in the handshake, else `detect`. HTTP/2 is
 * relayed as a stream.
 */
export function decideProtocol(declared: DeclaredProtocol | undefined, alpn: string | undefined): ProtocolDecision {
  if (declared === "http") return "http";
  if (declared !== undefined) return "stream";
  if (alpn === "istio-http/1.1" || alpn === "istio-http/1.0" || alpn === "http/1.1") return "http";
  return alpn === "istio-h2" || alpn === "h2" ? "stream" : "detect";
}
