import type { RequestRules } from "../check-request.ts";
import { MAX_STREAM_ID } from "../frames/frame-types.ts";
import { writeGoaway, writePing } from "../frames/write-frames.ts";
import { HTTP2_LIMITS, type Http2Limits } from "../http2-limits.ts";
import type { Http2RequestHead } from "../message-head.ts";
import { ConnectionCore, DRAIN_PING } from "./connection-core.ts";
import type { OutputFields } from "./header-block-writer.ts";
import { Http2Connection } from "./http2-connection.ts";
import type { Http2Stream } from "./http2-stream.ts";
import { RequestReceiver } from "./request-receiver.ts";

export interface Http2ServerOptions extends Partial<RequestRules> {
  readonly limits?: Http2Limits;
  /** The present time of the clock that `receive` and `expire` use. */
  readonly nowMs: number;
}

/** The server's side of a connection: requests in, responses out. Its first output is SETTINGS. */
export class Http2ServerConnection<Context> extends Http2Connection<Http2RequestHead, Context> {
  constructor({ limits = HTTP2_LIMITS, allowsExtendedConnect = false, nowMs }: Http2ServerOptions) {
    const core = new ConnectionCore<Http2RequestHead, Context>("server", { limits, nowMs, allowsExtendedConnect });
    super(core, new RequestReceiver(core, { allowsExtendedConnect }));
  }

  /** Sends an interim response, 100 to 199 without 101. */
  sendInterim(stream: Http2Stream<Context>, status: number, fields: OutputFields): void {
    if (stream.life === "open" && stream.local === "head")
      this.#writeHead(stream, status, { fields, endsStream: false });
  }

  /** Sends the final response's head. Ignored if the stream is closed. @param endsStream it is the whole response. */
  respond(stream: Http2Stream<Context>, status: number, fields: OutputFields, endsStream: boolean): void {
    if (stream.life !== "open") return;
    if (stream.local !== "head") throw new Error("a second response was sent on a stream");
    this.#writeHead(stream, status, { fields, endsStream });
    stream.local = "content";
    if (endsStream) this.core.endLocal(stream);
  }

  /**
   * Announces the end (RFC 9113 §6.8): GOAWAY with 2^31-1 now, the true last stream after a round trip. Streams are
   * finished; a `drained` event follows the last.
   */
  drain(nowMs: number): void {
    const { core } = this;
    if (!core.drain.isUnannounced) return;
    core.nowMs = nowMs;
    core.drain.warn(nowMs);
    writeGoaway(core.slab, MAX_STREAM_ID, 0);
    writePing(core.slab, DRAIN_PING, 0);
  }

  #writeHead(
    stream: Http2Stream<Context>,
    status: number,
    { fields, endsStream }: { readonly fields: OutputFields; readonly endsStream: boolean },
  ): void {
    const { headers } = this.core;
    headers.begin();
    headers.field(":status", String(status));
    fields.writeTo(headers);
    headers.end(stream.id, endsStream);
  }
}
