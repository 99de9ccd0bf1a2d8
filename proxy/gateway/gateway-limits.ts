import { HTTP_TIME_LIMITS, type HttpTimeLimits } from "../http/http-limits.ts";

/** Limits for clients outside the mesh. Message sizes are limited as in the sidecar (`http1-limits.ts`). */
export interface GatewayLimits {
  /** Over all listeners; an idle one makes room for a new one. @default 10000 */
  readonly maxConnections: number;
  /** From the first byte, or from the connection's opening. @default 10000 */
  readonly headersTimeoutMs: number;
  /** @default 30000 */
  readonly bodyIdleMs: number;
  /** Between two requests; load balancers in front should wait less. @default 60000 */
  readonly keepAliveMs: number;
  /** @default 1000 */
  readonly maxRequestsPerConnection: number;
  /** How long an upstream may be silent while it has a request (Envoy's stream idle timeout). @default 300000 */
  readonly upstreamIdleMs: number;
}

export const DEFAULT_LIMITS: GatewayLimits = {
  maxConnections: 10_000,
  headersTimeoutMs: 10_000,
  bodyIdleMs: 30_000,
  keepAliveMs: 60_000,
  maxRequestsPerConnection: 1000,
  upstreamIdleMs: 300_000,
};

/** The same limits for client connections, in the sidecar's form. */
export function timeLimitsFrom({ headersTimeoutMs, bodyIdleMs, keepAliveMs }: GatewayLimits): HttpTimeLimits {
  return { ...HTTP_TIME_LIMITS, headTimeoutMs: headersTimeoutMs, bodyIdleMs, downstreamIdleMs: keepAliveMs };
}
