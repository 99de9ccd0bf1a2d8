import type { PathNormalization } from "../../../mesh/policy/authorization/authorization.ts";
import type { Http1Fault } from "../../http1/framer-events.ts";
import type { MalformedCode } from "../../http2/message-head.ts";
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
  /** How paths are normalised before requests are planned. */
  readonly pathNormalization: () => PathNormalization;
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

/** A request that is not served, or a connection whose bytes are not of its protocol. */
export interface RequestFault extends Pick<Http1Fault, "status" | "message"> {
  readonly code: Http1Fault["code"] | MalformedCode | Http2FaultCode | "head_timeout" | "body_timeout";
}

/** What an HTTP/2 connection or stream, and no single message, did wrong. */
export type Http2FaultCode =
  /** A frame that its stream does not allow (RFC 9113 §5.1, §6.9). */
  | "http2_stream_error"
  /** The connection's frames or compression cannot be read (RFC 9113 §5.4.1). */
  | "http2_connection_error"
  /** Much work for few bytes: resets, PINGs, SETTINGS, empty frames (CVE-2023-44487, CVE-2019-9512 and others). */
  | "http2_flood"
  /** Our SETTINGS were not acknowledged in time. */
  | "http2_settings_timeout";
