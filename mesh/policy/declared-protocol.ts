/** Which protocol a Service's port declares, by Istio's rules. */
import type { ServicePort } from "../resources/kinds/service.ts";
import type { DeclaredProtocol, UpstreamHttpVersion } from "./types.ts";

/**
 * All declared protocols, ordered by the amount of parsing: a stream treated as HTTP breaks, but HTTP treated as a stream
 * still works. Of two that are declared for one port, the first in this order wins.
 */
export const DECLARED_PROTOCOLS: readonly DeclaredProtocol[] = ["tcp", "tls", "http2", "grpc", "grpc-web", "http"];

/**
 * The declared protocol of a Service's port: `appProtocol`, else its name. In both the part before the first dash counts,
 * in any case, and what begins with `grpc-web` is gRPC-Web. An `appProtocol` without a known protocol declares nothing:
 * the name does not apply. Kubernetes' own values (`kubernetes.io/h2c`, `ws` and `wss`) are read only there.
 */
export function declaredProtocol({ appProtocol, name }: ServicePort): DeclaredProtocol | undefined {
  const declared = (appProtocol ?? name ?? "").toLowerCase();
  if (appProtocol !== undefined && KUBERNETES.has(declared)) return KUBERNETES.get(declared);
  if (declared.startsWith("grpc-web")) return "grpc-web";
  return PREFIXES.get(declared.split("-", 1)[0] ?? "");
}

/** WebSocket begins with a request of HTTP/1.1. */
const KUBERNETES: ReadonlyMap<string, DeclaredProtocol> = new Map([
  ["kubernetes.io/h2c", "http2"],
  ["kubernetes.io/ws", "http"],
  ["kubernetes.io/wss", "tls"],
]);

const PREFIXES: ReadonlyMap<string, DeclaredProtocol> = new Map([
  ["http", "http"],
  ["http2", "http2"],
  ["grpc", "grpc"],
  ["https", "tls"],
  ["tls", "tls"],
  ["tcp", "tcp"],
  ["mongo", "tcp"],
  ["redis", "tcp"],
  ["mysql", "tcp"],
]);

/** Whether the port carries HTTP requests, of any version. */
export function carriesRequests(protocol: DeclaredProtocol | undefined): boolean {
  return protocol === "http" || speaksHttp2(protocol);
}

/**
 * Whether the application speaks HTTP/2 with prior knowledge. That includes gRPC-Web, as in Istio: the application
 * speaks gRPC, and the proxy may translate for clients that cannot.
 */
export function speaksHttp2(protocol: DeclaredProtocol | undefined): boolean {
  return protocol === "http2" || protocol === "grpc" || protocol === "grpc-web";
}

/** The HTTP version in which an application receives its requests. An undeclared one receives what its clients send. */
export function httpVersionOf(protocol: DeclaredProtocol | undefined): UpstreamHttpVersion {
  if (protocol === "http") return "1.1";
  return speaksHttp2(protocol) ? "2" : "client";
}
