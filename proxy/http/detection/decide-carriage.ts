import type { DeclaredProtocol } from "../../../mesh/policy/types.ts";

/** How a connection is carried; `detect`: its first bytes tell. */
export type Carriage = "http" | "stream" | "detect";

/**
 * What the port's declaration says, else what Istio's client said in the handshake, else it is to be found out. HTTP/2
 * is carried whole, as a stream.
 */
export function decideCarriage(declared: DeclaredProtocol | undefined, alpn: string | undefined): Carriage {
  if (declared === "http") return "http";
  if (declared !== undefined) return "stream";
  if (alpn === "istio-http/1.1" || alpn === "istio-http/1.0" || alpn === "http/1.1") return "http";
  return alpn === "istio-h2" || alpn === "h2" ? "stream" : "detect";
}
