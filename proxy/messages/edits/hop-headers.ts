/**
 * How the request headers that one hop sends to another are handled, as Istio's sidecars and ingress gateway handle
 * them (Envoy's HTTP connection manager; `use_remote_address` at the gateway, not at a sidecar). This table is complete:
 * the sidecar's and the gateway's heads are written from it. Where a gateway trusts proxies in front of it
 * (`numTrustedProxies`), its own values are what those have reported (`gateway/requests/client-facts.ts`).
 */

/** Where a request enters a proxy, by what is known about the client there. */
export type Hop =
  /** The pod's own application. */
  | "outbound"
  /** A verified peer: its own proxy has set these headers. */
  | "inbound_verified"
  /** Plaintext, or TLS without a certificate of the mesh. */
  | "inbound_unverified"
  /** A client from outside the mesh. */
  | "gateway";

/**
 * - `keep`: as the client sent it;
 * - `drop`: never forwarded;
 * - `set`: replaced by the proxy's value;
 * - `default`: the proxy's value, if the client sent none;
 * - `append`: the proxy's value after the client's.
 */
export type HeaderRule = "keep" | "drop" | "set" | "default" | "append";

interface Row extends Readonly<Record<Hop, HeaderRule>> {
  /**
   * A folded name (`foldHeaderName`); with `*` at its end, every name with that prefix. The first matching row applies.
   */
  readonly name: string;
}

/**
 * Differences from Istio, all stricter: a mesh client's own `x-forwarded-client-cert` is replaced, not appended to
 * (SANITIZE_SET), and every `x-envoy-*` header is dropped at a boundary, not only those that Envoy itself obeys
 * (ISTIO-SECURITY-2024-006 came of trusting them by the client's address). The last row's headers are the client's own,
 * also at a gateway, and Istio forwards them: an application must not read them as the proxy's.
 */
export const HOP_HEADERS: readonly Row[] = [
  row("x-forwarded-client-cert", ["drop", "set", "drop", "drop"]),
  row("x-forwarded-proto", ["default", "default", "default", "set"]),
  row("x-forwarded-for", ["keep", "keep", "keep", "append"]),
  row("x-request-id", ["default", "default", "default", "set"]),
  row("x-envoy-external-address", ["drop", "keep", "drop", "set"]),
  // Metadata that Istio's proxies exchange; ours do not, and applications never receive it.
  row("x-envoy-peer-metadata*", ["drop", "drop", "drop", "drop"]),
  row("x-envoy-*", ["drop", "keep", "drop", "drop"]),
  ...[
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-original-url",
    "x-rewrite-url",
    "x-real-ip",
    "true-client-ip",
  ].map((name) => row(name, ["keep", "keep", "keep", "keep"])),
];

/** @param name as returned by `foldHeaderName`. */
export function headerRule(name: string, hop: Hop): HeaderRule {
  return HOP_HEADERS.find((each) => isNamed(each.name, name))?.[hop] ?? "keep";
}

/** Whether the client's field with this name is dropped. @param name as returned by `foldHeaderName`. */
export function isReplaced(name: string, hop: Hop): boolean {
  const rule = headerRule(name, hop);
  return rule === "drop" || rule === "set" || rule === "append";
}

/** `https` if the request came over TLS: the mesh's own, for a peer whose proxy did not set the protocol. */
export function forwardedProto(hop: Hop): "http" | "https" {
  return hop === "inbound_verified" ? "https" : "http";
}

function isNamed(pattern: string, name: string): boolean {
  return pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
}

function row(
  name: string,
  [outbound, inbound_verified, inbound_unverified, gateway]: readonly [HeaderRule, HeaderRule, HeaderRule, HeaderRule],
): Row {
  return { name, outbound, inbound_verified, inbound_unverified, gateway };
}
