import type { ConnectionPool } from "../../../mesh/policy/types.ts";
import type { Http1Limits } from "../../http1/http1-limits.ts";
import type { HttpProtocol } from "../../messages/http-version.ts";
import type { connectUpstream } from "../upstream/connect-upstream.ts";
import type { DialedUpstream } from "../upstream/upstream-connection.ts";
import type { UpstreamFailure } from "./dial-failure.ts";
import type { EndpointState } from "./endpoint-state.ts";
import type { IdleQuota } from "./idle-quota.ts";
import type { PoolEndpointsOptions } from "./pool-endpoints.ts";

export interface UpstreamPoolOptions extends PoolEndpointsOptions {
  /** @param protocol what is wanted; a peer that does not negotiate HTTP/2 is connected by HTTP/1.1. */
  readonly dial: (
    endpoint: EndpointState,
    protocol: HttpProtocol,
    signal: AbortSignal,
  ) => Promise<DialedUpstream | UpstreamFailure>;
  /** The destination's present version and limits. */
  readonly settings: () => ConnectionPool;
  /** The reason for a missing endpoint, as text. */
  readonly describe: () => string;
  /** Shared with the other pools of the process. */
  readonly idleQuota: IdleQuota;
  /** Aborted: no connection is kept for later requests. */
  readonly closing: AbortSignal;
  readonly messageLimits: Http1Limits;
  /** Makes a dialled connection ready. @default connectUpstream */
  readonly connect?: typeof connectUpstream;
  /** Called when the last connection has closed. */
  readonly onEmpty?: () => void;
}
