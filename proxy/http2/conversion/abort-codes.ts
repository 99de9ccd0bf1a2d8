import type { AbortReason, ResetCause } from "../../messages/abort-reason.ts";
import type { Http2Event } from "../connection/http2-events.ts";
import { ERROR_CODE } from "../frames/frame-types.ts";

type ResetEvent = Extract<Http2Event<unknown, unknown>, { readonly kind: "reset" }>;

/** Why the peer's half of an exchange failed, by the reset of its stream. */
export function abortReasonFrom({
  code,
  cause,
  isUnprocessed,
  fault,
}: Pick<ResetEvent, "code" | "cause" | "isUnprocessed" | "fault">): AbortReason {
  switch (cause) {
    case "peer":
      return isUnprocessed ? { kind: "refused" } : { kind: "reset", cause: causeOf(code) };
    case "goaway":
      return { kind: "refused" };
    case "fault":
      return fault === undefined
        ? { kind: "malformed", code: "stream_error", message: "a frame that its stream does not allow" }
        : { kind: "malformed", ...fault };
    case "stalled":
      return { kind: "time_limit", limit: "body" };
    case "connection":
      return { kind: "disconnected" };
  }
}

/** gRPC reads the same of the codes: CANCELLED, RESOURCE_EXHAUSTED, else INTERNAL. */
function causeOf(code: number): ResetCause {
  switch (code) {
    case ERROR_CODE.noError:
    case ERROR_CODE.cancel:
    case ERROR_CODE.refusedStream:
      return "cancelled";
    case ERROR_CODE.enhanceYourCalm:
      return "overloaded";
    default:
      return "failed";
  }
}

/**
 * The code with which a client sees that its response breaks off. Never REFUSED_STREAM: that would say that nothing was
 * processed. Nothing blames the client but its own silence.
 */
export function clientResetCode(reason: AbortReason): number {
  switch (reason.kind) {
    case "reset":
      return codeOf(reason.cause);
    case "time_limit":
    case "cut":
      return ERROR_CODE.cancel;
    case "disconnected":
    case "refused":
    case "malformed":
    case "abandoned":
      return ERROR_CODE.internalError;
  }
}

function codeOf(cause: ResetCause): number {
  switch (cause) {
    case "cancelled":
      return ERROR_CODE.cancel;
    case "overloaded":
      return ERROR_CODE.enhanceYourCalm;
    case "failed":
      return ERROR_CODE.internalError;
  }
}
