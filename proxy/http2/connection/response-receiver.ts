import { checkResponse, isWithoutContent } from "../check-response.ts";
import { ERROR_CODE } from "../frames/frame-types.ts";
import type { Http2ResponseHead } from "../message-head.ts";
import { IDLE_STREAM, STREAM_CLOSED } from "./absent-streams.ts";
import type { ConnectionCore } from "./connection-core.ts";
import { OVERHEAD } from "./flood-guard.ts";
import type { MessageReceiver, ReceivedFields } from "./frame-receiver.ts";
import type { Http2Stream } from "./http2-stream.ts";
import { LastChecked } from "./last-checked.ts";
import { receiveTrailers } from "./receive-trailers.ts";

/** A client's receiver: interim and final responses, and their trailers. */
export class ResponseReceiver<Context> implements MessageReceiver<Context> {
  readonly #core: ConnectionCore<Http2ResponseHead, Context>;
  readonly #checked = new LastChecked<Http2ResponseHead>();

  constructor(core: ConnectionCore<Http2ResponseHead, Context>) {
    this.#core = core;
  }

  onAbsentBlock(streamId: number): void {
    const core = this.#core;
    const absent = core.streams.absent(streamId);
    if (absent === "reset") core.countOverhead(OVERHEAD.frame);
    else core.fail(absent === "idle" ? IDLE_STREAM : STREAM_CLOSED);
  }

  onBlock(stream: Http2Stream<Context>, fields: ReceivedFields, endsStream: boolean): void {
    const core = this.#core;
    if (stream.remote !== "head") {
      receiveTrailers(core, stream, fields, endsStream);
      return;
    }
    if (fields.kind === "too_large") {
      core.failStream(stream, ERROR_CODE.enhanceYourCalm, { code: "too_large", message: fields.message });
      return;
    }
    const { isWithoutContent } = stream;
    const kind = (endsStream ? 1 : 0) + (isWithoutContent ? 2 : 0);
    const checked =
      this.#checked.get(fields, kind) ??
      this.#checked.set(fields, kind, checkResponse(fields, endsStream, isWithoutContent));
    if (checked.kind === "malformed") {
      core.failStream(stream, ERROR_CODE.protocolError, checked.fault);
      return;
    }
    if (checked.value.status < 200) this.#onInterim(stream, checked.value);
    else this.#onFinal(stream, checked.value, endsStream);
  }

  #onInterim(stream: Http2Stream<Context>, head: Http2ResponseHead): void {
    const core = this.#core;
    stream.interimResponses += 1;
    if (stream.interimResponses > core.limits.maxInterimResponses) {
      core.failStream(stream, ERROR_CODE.enhanceYourCalm);
    } else {
      core.emit({ kind: "interim", stream, head });
    }
  }

  #onFinal(stream: Http2Stream<Context>, head: Http2ResponseHead, endsStream: boolean): void {
    const core = this.#core;
    stream.remote = "content";
    stream.expectedBytes = head.contentLength ?? -1;
    stream.isWithoutContent ||= isWithoutContent(head.status);
    core.guard.countContent();
    core.emit({ kind: "head", stream, head, endsStream });
    if (endsStream) core.endRemote(stream);
  }
}
