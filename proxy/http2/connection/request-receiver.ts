import { checkRequest, type RequestRules } from "../check-request.ts";
import { ERROR_CODE } from "../frames/frame-types.ts";
import { writeRstStream } from "../frames/write-frames.ts";
import type { Http2RequestHead, MalformedMessage } from "../message-head.ts";
import { IDLE_STREAM, STREAM_CLOSED } from "./absent-streams.ts";
import type { ConnectionCore } from "./connection-core.ts";
import { OVERHEAD } from "./flood-guard.ts";
import type { MessageReceiver, ReceivedFields } from "./frame-receiver.ts";
import { Http2Stream } from "./http2-stream.ts";
import { LastChecked } from "./last-checked.ts";
import { receiveTrailers } from "./receive-trailers.ts";

/** Output that may wait unread before new requests are refused, in bytes (CVE-2019-9517). */
const MAX_UNREAD_BYTES = 262_144;

const TOO_MANY_STREAMS: MalformedMessage = {
  code: "too_many_streams",
  message: "more streams than SETTINGS_MAX_CONCURRENT_STREAMS",
};
const TOO_MUCH_UNREAD: MalformedMessage = {
  code: "too_many_streams",
  message: "the client does not read its responses",
};

/** A server's receiver: requests and their trailers. */
export class RequestReceiver<Context> implements MessageReceiver<Context> {
  readonly #core: ConnectionCore<Http2RequestHead, Context>;
  readonly #rules: RequestRules;
  readonly #checked = new LastChecked<Http2RequestHead>();

  constructor(core: ConnectionCore<Http2RequestHead, Context>, rules: RequestRules) {
    this.#core = core;
    this.#rules = rules;
  }

  onBlock(stream: Http2Stream<Context>, fields: ReceivedFields, endsStream: boolean): void {
    receiveTrailers(this.#core, stream, fields, endsStream);
  }

  onAbsentBlock(streamId: number, fields: ReceivedFields, endsStream: boolean): void {
    const core = this.#core;
    if (!core.streams.isNew(streamId)) {
      const absent = core.streams.absent(streamId);
      if (absent === "reset") core.countOverhead(OVERHEAD.frame);
      else core.fail(absent === "idle" ? IDLE_STREAM : STREAM_CLOSED);
      return;
    }
    core.streams.open(streamId);
    if (core.drain.finalId !== undefined) {
      // The client sent it before it read our GOAWAY, and will send it elsewhere (RFC 9113 §6.8).
      core.streams.rememberReset(streamId);
      core.countOverhead(OVERHEAD.frame);
    } else if (core.streams.active >= core.limits.maxConcurrentStreams) {
      core.rejectStream(streamId, ERROR_CODE.refusedStream, TOO_MANY_STREAMS);
    } else if (core.slab.bytes > MAX_UNREAD_BYTES) {
      core.rejectStream(streamId, ERROR_CODE.refusedStream, TOO_MUCH_UNREAD);
    } else {
      this.#openStream(streamId, fields, endsStream);
    }
  }

  #openStream(streamId: number, fields: ReceivedFields, endsStream: boolean): void {
    const core = this.#core;
    if (fields.kind === "too_large") {
      this.#refuseTooLarge(streamId, fields.message, endsStream);
      return;
    }
    const kind = endsStream ? 1 : 0;
    const checked =
      this.#checked.get(fields, kind) ?? this.#checked.set(fields, kind, checkRequest(fields, endsStream, this.#rules));
    if (checked.kind === "malformed") {
      core.rejectStream(streamId, ERROR_CODE.protocolError, checked.fault);
      core.countOverhead(OVERHEAD.malformed);
      return;
    }
    const head = checked.value;
    const stream = new Http2Stream<Context>(streamId, {
      remote: endsStream ? "ended" : "content",
      local: "head",
      receiveWindow: core.windows.initialStreamWindow,
      sendWindow: core.peer.initialWindowBytes,
    });
    stream.expectedBytes = head.contentLength ?? -1;
    core.streams.add(stream);
    core.guard.countStream();
    core.emit({ kind: "head", stream, head, endsStream });
  }

  /** 431, as an HTTP/1.1 client would get (RFC 9113 §10.5.1). */
  #refuseTooLarge(streamId: number, message: string, endsStream: boolean): void {
    const core = this.#core;
    core.headers.begin();
    core.headers.field(":status", "431");
    core.headers.end(streamId, true);
    if (!endsStream) writeRstStream(core.slab, streamId, ERROR_CODE.noError);
    core.countReply();
    core.noteRejected(streamId, ERROR_CODE.noError, { code: "too_large", message });
    core.countOverhead(OVERHEAD.malformed);
  }
}
