import type { MeshSettings } from "../../mesh-settings.ts";
import type { HttpPool } from "../../resources/kinds/destination-rule.ts";
import { carriesRequests, httpVersionOf } from "../declared-protocol.ts";
import type { ConnectionPool, DeclaredProtocol, UpstreamHttpVersion } from "../types.ts";
import { findPolicyBlock, type PolicyLookup } from "./policy-block.ts";

/**
 * The settings that reach the proxies, which do not apply them yet: the analysis warns of them. A setting is removed here
 * once the proxy applies it.
 */
export const UNAPPLIED_POOL_SETTINGS: readonly (keyof HttpPool)[] = ["maxRetries"];

export interface ConnectionPoolInput extends PolicyLookup {
  readonly protocol: DeclaredProtocol | undefined;
  readonly settings: Pick<MeshSettings, "h2UpgradePolicy">;
}

/** The connection pool of a service's port and subset: `connectionPool.http` of the block that applies, whole. */
export function decideConnectionPool(input: ConnectionPoolInput): ConnectionPool {
  const http = findPolicyBlock("connectionPool", input)?.block.http;
  return {
    httpVersion: decideHttpVersion(http, input),
    ...limit("maxRequests", http?.http2MaxRequests),
    ...limit("maxRequestsPerConnection", http?.maxRequestsPerConnection),
    ...limit("maxConcurrentStreams", http?.maxConcurrentStreams),
    ...limit("maxRetries", http?.maxRetries),
    ...limit("idleTimeoutMs", http?.idleTimeout),
  };
}

/**
 * A rule's UPGRADE applies to any port: the user knows that it is HTTP. The mesh's applies only to ports that are
 * declared to be, since the version of an undeclared port is the client's.
 */
function decideHttpVersion(
  http: HttpPool | undefined,
  { protocol, settings }: ConnectionPoolInput,
): UpstreamHttpVersion {
  if (http?.useClientProtocol === true) return "client";
  switch (http?.h2UpgradePolicy) {
    case "UPGRADE":
      return "2";
    case "DO_NOT_UPGRADE":
      return httpVersionOf(protocol);
    default:
      return meshVersion(settings.h2UpgradePolicy, protocol);
  }
}

function meshVersion(
  policy: MeshSettings["h2UpgradePolicy"],
  protocol: DeclaredProtocol | undefined,
): UpstreamHttpVersion {
  switch (policy) {
    case "UPGRADE":
      return carriesRequests(protocol) ? "2" : httpVersionOf(protocol);
    case "DO_NOT_UPGRADE":
      return httpVersionOf(protocol);
    case "DEFAULT":
      return protocol === "http" ? "adaptive" : httpVersionOf(protocol);
  }
}

/** 0 means none, as in Istio. */
function limit<Name extends string>(name: Name, value: number | undefined): Partial<Record<Name, number>> {
  const found: Partial<Record<Name, number>> = {};
  if (value !== undefined && value > 0) found[name] = value;
  return found;
}
