import type { AbortReason } from "../../messages/abort-reason.ts";
import type { RequestFault } from "./downstream-options.ts";

/** The client began a head and did not complete it in time. */
export const HEAD_TIMEOUT: RequestFault = {
  code: "head_timeout",
  status: 408,
  message: "the request's head took too long",
};

/** The client was silent in the middle of its request. */
export const BODY_TIMEOUT: AbortReason = { kind: "time_limit", limit: "body" };
