/** What strangers may use up. */
export interface GatewayLimits {
  /** Over all listeners; one that waits for a request makes room for one more. @default 10000 */
  readonly maxConnections: number;
  /** Head of one request. @default 16384 */
  readonly maxHeaderBytes: number;
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
  maxHeaderBytes: 16_384,
  headersTimeoutMs: 10_000,
  bodyIdleMs: 30_000,
  keepAliveMs: 60_000,
  maxRequestsPerConnection: 1000,
  upstreamIdleMs: 300_000,
};
