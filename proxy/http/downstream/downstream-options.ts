import type { Http1Fault } from "../../http1/framer-events.ts";
import type { DownstreamFacts } from "../exchange/exchange-client.ts";
import type { PlanRequest } from "../exchange/request-plan.ts";
import type { HttpContext } from "../http-context.ts";

/** What becomes of a client's HTTP connection. */
export interface DownstreamOptions {
  readonly facts: DownstreamFacts;
  readonly context: HttpContext;
  readonly planRequest: PlanRequest;
  /** What has been read of the client already. */
  readonly early: Buffer;
  /**
   * Whether a client that connects now would be carried the same way. From the moment at which it would not, the
   * connection is closed while it waits for a request, and the response to a request that is under way is its last.
   */
  readonly isCurrent: () => boolean;
  /** A request was not HTTP/1.1 as two parsers would read it alike; it has been answered. */
  readonly onFault: (fault: RequestFault) => void;
}

/** A request that is not served. */
export interface RequestFault extends Pick<Http1Fault, "status" | "message"> {
  readonly code: Http1Fault["code"] | "head_timeout" | "body_timeout";
}
