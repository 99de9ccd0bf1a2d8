import type { Http1Fault } from "../../http1/framer-events.ts";
import type { HttpProtocol } from "../../messages/http-version.ts";
import type { DownstreamFacts } from "../exchange/exchange-client.ts";
import type { PlanRequest } from "../exchange/request-plan.ts";
import type { HttpContext } from "../http-context.ts";

/** The outcome of a client's HTTP connection. */
export interface DownstreamOptions {
  /** What the client speaks. */
  readonly protocol: HttpProtocol;
  readonly facts: DownstreamFacts;
  readonly context: HttpContext;
  readonly planRequest: PlanRequest;
  /** What has already been read from the client. */
  readonly early: Buffer;
  /**
   * Whether a new connection would be forwarded the same way. Once it would not, an idle connection is closed, and the
   * response to a request in progress is the last one.
   */
  readonly isCurrent: () => boolean;
  /** A request was malformed or ambiguous, and has got a local reply. */
  readonly onFault: (fault: RequestFault) => void;
}

/** A request that is not served. */
export interface RequestFault extends Pick<Http1Fault, "status" | "message"> {
  readonly code: Http1Fault["code"] | "head_timeout" | "body_timeout";
}
