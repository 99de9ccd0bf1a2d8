import type { FrameHeader } from "../frames/frame-rules.ts";
import { ERROR_CODE, FLAG } from "../frames/frame-types.ts";
import type { MalformedMessage } from "../message-head.ts";
import { IDLE_STREAM, STREAM_CLOSED } from "./absent-streams.ts";
import type { ConnectionCore } from "./connection-core.ts";
import { OVERHEAD } from "./flood-guard.ts";
import type { Http2Stream } from "./http2-stream.ts";

const LENGTH_MISMATCH: MalformedMessage = {
  code: "bad_content_length",
  message: "the content is not as long as content-length declares",
};

/** DATA frames: windows, the declared length, and the content as it arrives (RFC 9113 §6.1). */
export class DataReceiver<Head, Context> {
  readonly #core: ConnectionCore<Head, Context>;
  /** The stream of the current frame; `undefined`: its content is dropped. */
  #stream: Http2Stream<Context> | undefined;

  constructor(core: ConnectionCore<Head, Context>) {
    this.#core = core;
  }

  /** A frame begins: all checks are made before any of its content is delivered. */
  start({ streamId, flags, length }: FrameHeader, dataBytes: number): void {
    const core = this.#core;
    this.#stream = undefined;
    if (!core.windows.receive(length)) {
      core.fail({ code: ERROR_CODE.flowControlError, message: "DATA exceeds the connection's window" });
      return;
    }
    const endsStream = (flags & FLAG.endStream) !== 0;
    if (dataBytes > 0) core.guard.countContent();
    else if (!endsStream) core.countOverhead(OVERHEAD.emptyData);
    const stream = core.streams.get(streamId);
    if (stream === undefined) this.#startAbsent(streamId, length);
    else if (this.#startOn(stream, length, dataBytes, endsStream)) this.#stream = stream;
    else core.windows.returnDropped(length);
    core.probe();
  }

  /** Delivers content of the current frame. */
  deliver(bytes: Buffer, endsStream: boolean): void {
    const stream = this.#stream;
    if (stream === undefined || stream.life !== "open") return;
    if (bytes.length > 0 || endsStream) this.#core.emit({ kind: "data", stream, bytes, endsStream });
    if (endsStream) this.#core.endRemote(stream);
  }

  #startAbsent(streamId: number, length: number): void {
    const core = this.#core;
    core.windows.returnDropped(length);
    const absent = core.streams.absent(streamId);
    if (absent === "idle") core.fail(IDLE_STREAM);
    else if (absent === "ended") core.fail(STREAM_CLOSED);
    else core.countOverhead(OVERHEAD.frame);
  }

  #startOn(stream: Http2Stream<Context>, length: number, dataBytes: number, endsStream: boolean): boolean {
    const core = this.#core;
    if (stream.remote !== "content") {
      const code = stream.remote === "ended" ? ERROR_CODE.streamClosed : ERROR_CODE.protocolError;
      core.failStream(stream, code);
      return false;
    }
    // Our SETTINGS may have made the window negative (RFC 9113 §6.9.2); a frame without content needs none (§6.9.1).
    if (length > Math.max(0, stream.receiveWindow)) {
      core.failStream(stream, ERROR_CODE.flowControlError);
      return false;
    }
    stream.receivedBytes += dataBytes;
    if (!hasRightLength(stream, endsStream)) {
      core.failStream(stream, ERROR_CODE.protocolError, LENGTH_MISMATCH);
      return false;
    }
    core.windows.receiveOnStream(stream, length, dataBytes);
    return true;
  }
}

/** Whether the content so far, or at its end, agrees with content-length (RFC 9113 §8.1.1). */
export function hasRightLength<Context>(stream: Http2Stream<Context>, isEnd: boolean): boolean {
  const { receivedBytes, expectedBytes, isWithoutContent } = stream;
  if (isWithoutContent) return receivedBytes === 0;
  if (expectedBytes === -1) return true;
  return isEnd ? receivedBytes === expectedBytes : receivedBytes <= expectedBytes;
}
