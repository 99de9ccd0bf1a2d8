import type { ConnectionFault } from "../frames/frame-rules.ts";
import { ERROR_CODE } from "../frames/frame-types.ts";

/** A frame on a stream that nobody opened (RFC 9113 §5.1). */
export const IDLE_STREAM: ConnectionFault = {
  code: ERROR_CODE.protocolError,
  message: "a frame came on a stream that is not open",
};

/** Content or fields on a stream that has ended in both directions (RFC 9113 §5.1). */
export const STREAM_CLOSED: ConnectionFault = {
  code: ERROR_CODE.streamClosed,
  message: "a frame came on a stream that has ended",
};
