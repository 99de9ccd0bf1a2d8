import type { Random } from "../../../mesh/runtime.ts";
import type { SocketAddress } from "../../../net/socket-address.ts";
import type { Http1Limits } from "../../http1/http1-limits.ts";
import type { Deadlines } from "../deadlines.ts";
import type { connectUpstream } from "./connect-upstream.ts";
import type { UpstreamFailure } from "./dial-failure.ts";
import type { IdleQuota } from "./idle-quota.ts";
import type { DialedUpstream } from "./upstream-connection.ts";

export interface UpstreamPoolOptions {
  /** The current endpoints. The same array as long as nothing has changed. */
  readonly endpoints: () => readonly SocketAddress[];
  readonly dial: (endpoint: SocketAddress, signal: AbortSignal) => Promise<DialedUpstream | UpstreamFailure>;
  /** The reason for a missing endpoint, as text. */
  readonly describe: () => string;
  readonly deadlines: Deadlines;
  readonly random: Random;
  /** Shared with the other pools of the process. */
  readonly idleQuota: IdleQuota;
  /** Aborted: no connection is kept for later requests. */
  readonly closing: AbortSignal;
  /** @default HTTP1_LIMITS */
  readonly messageLimits?: Http1Limits;
  /** Makes a dialled connection ready. @default connectUpstream */
  readonly connect?: typeof connectUpstream;
  /** Called when the last connection has closed. */
  readonly onEmpty?: () => void;
}
