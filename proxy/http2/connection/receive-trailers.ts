import { checkTrailers } from "../check-fields.ts";
import { ERROR_CODE } from "../frames/frame-types.ts";
import type { MalformedMessage } from "../message-head.ts";
import type { ConnectionCore } from "./connection-core.ts";
import { hasRightLength } from "./data-receiver.ts";
import type { ReceivedFields } from "./frame-receiver.ts";
import type { Http2Stream } from "./http2-stream.ts";

const NO_END: MalformedMessage = { code: "bad_trailer", message: "trailers must end the stream" };
const WRONG_LENGTH: MalformedMessage = {
  code: "bad_content_length",
  message: "the content is shorter than content-length declares",
};

/** A header block behind a message's head: its trailers (RFC 9113 §8.1), or a stream error. */
export function receiveTrailers<Head, Context>(
  core: ConnectionCore<Head, Context>,
  stream: Http2Stream<Context>,
  fields: ReceivedFields,
  endsStream: boolean,
): void {
  if (stream.remote === "ended") {
    core.failStream(stream, ERROR_CODE.streamClosed);
    return;
  }
  if (!endsStream) {
    core.failStream(stream, ERROR_CODE.protocolError, NO_END);
    return;
  }
  if (!hasRightLength(stream, true)) {
    core.failStream(stream, ERROR_CODE.protocolError, WRONG_LENGTH);
    return;
  }
  if (fields.kind === "too_large") {
    core.failStream(stream, ERROR_CODE.enhanceYourCalm, { code: "too_large", message: fields.message });
    return;
  }
  const checked = checkTrailers(fields);
  if (checked.kind === "malformed") {
    core.failStream(stream, ERROR_CODE.protocolError, checked.fault);
    return;
  }
  core.emit({ kind: "trailers", stream, fields: checked.value });
  core.endRemote(stream);
}
