import type { FrameSink } from "../frames/frame-reader.ts";
import type { ConnectionFault, FrameHeader } from "../frames/frame-rules.ts";
import { ERROR_CODE, FLAG, FRAME } from "../frames/frame-types.ts";
import { HpackDecoder } from "../hpack/hpack-decoder.ts";
import type { ConnectionCore } from "./connection-core.ts";
import { ControlReceiver } from "./control-receiver.ts";
import { DataReceiver } from "./data-receiver.ts";
import { HeaderCollector } from "./header-collector.ts";
import type { Http2Stream } from "./http2-stream.ts";

/** A header block's fields, or that they were over a limit. */
export type ReceivedFields =
  | {
      readonly kind: "fields";
      readonly names: readonly string[];
      readonly values: readonly string[];
      readonly neverIndexed: readonly number[];
    }
  | { readonly kind: "too_large"; readonly message: string };

/** What a role does with header blocks. */
export interface MessageReceiver<Context> {
  /** A block on an open stream. */
  onBlock(stream: Http2Stream<Context>, fields: ReceivedFields, endsStream: boolean): void;
  /** A block on a stream without an entry. */
  onAbsentBlock(streamId: number, fields: ReceivedFields, endsStream: boolean): void;
}

const FIRST_FRAME: ConnectionFault = {
  code: ERROR_CODE.protocolError,
  message: "the first frame must be SETTINGS",
};
const BAD_PADDING: ConnectionFault = {
  code: ERROR_CODE.protocolError,
  message: "the padding of a HEADERS frame is longer than the frame",
};

/** Dispatches the frames of a connection: DATA, header blocks, and control frames. */
export class FrameReceiver<Head, Context> implements FrameSink {
  readonly #core: ConnectionCore<Head, Context>;
  readonly #messages: MessageReceiver<Context>;
  readonly #data: DataReceiver<Head, Context>;
  readonly #control: ControlReceiver<Head, Context>;
  readonly #collector: HeaderCollector;
  readonly #decoder: HpackDecoder;

  constructor(core: ConnectionCore<Head, Context>, messages: MessageReceiver<Context>) {
    this.#core = core;
    this.#messages = messages;
    this.#data = new DataReceiver(core);
    this.#control = new ControlReceiver(core);
    const { headers, maxHeaderBlockFrames } = core.limits;
    this.#collector = new HeaderCollector({ maxBytes: headers.maxBlockBytes, maxFrames: maxHeaderBlockFrames });
    this.#decoder = new HpackDecoder({ limits: headers });
  }

  get isReading(): boolean {
    return !this.#core.isOver;
  }

  /** Bytes of an incomplete header block. */
  get bufferedBytes(): number {
    return this.#collector.bufferedBytes;
  }

  /** Forgets an incomplete header block, when the connection is over. */
  clear(): void {
    this.#collector.clear();
  }

  onDataStart(header: FrameHeader, dataBytes: number): void {
    if (this.#core.peer.hasArrived) this.#data.start(header, dataBytes);
    else this.#core.fail(FIRST_FRAME);
  }

  onData(header: FrameHeader, bytes: Buffer, isLast: boolean): void {
    this.#data.deliver(bytes, isLast && (header.flags & FLAG.endStream) !== 0);
  }

  onUnknownFrame(): void {
    if (this.#core.peer.hasArrived) this.#core.countOverhead(1);
    else this.#core.fail(FIRST_FRAME);
  }

  onFault(fault: ConnectionFault): void {
    this.#core.fail(fault);
  }

  onFrame(header: FrameHeader, buffer: Buffer, start: number, end: number): void {
    const { type, flags } = header;
    const isSettings = type === FRAME.settings && (flags & FLAG.ack) === 0;
    if (!isSettings && !this.#core.peer.hasArrived) this.#core.fail(FIRST_FRAME);
    else if (type === FRAME.headers || type === FRAME.continuation) this.#onHeaders(header, buffer, start, end);
    else this.#control.onFrame(header, buffer, start, end);
  }

  #onHeaders(header: FrameHeader, buffer: Buffer, start: number, end: number): void {
    const collected = this.#collector.add(header, buffer, start, end);
    switch (collected.kind) {
      case "incomplete":
        return;
      case "bad_padding":
        this.#core.fail(BAD_PADDING);
        return;
      case "too_long":
        this.#core.fail({
          code: ERROR_CODE.enhanceYourCalm,
          message: "a header block has too many bytes or frames",
        });
        return;
      case "block":
        this.#onBlock(header.streamId, collected.block);
        return;
    }
  }

  /** Each block is decoded, also of refused and unknown streams: the table depends on it (RFC 9113 §4.3). */
  #onBlock(streamId: number, block: Buffer): void {
    const decoded = this.#decoder.decode(block);
    if (decoded.kind === "fault") {
      this.#core.fail({ code: ERROR_CODE.compressionError, message: decoded.message });
      return;
    }
    const { endsStream } = this.#collector;
    const stream = this.#core.streams.get(streamId);
    if (stream === undefined) this.#messages.onAbsentBlock(streamId, decoded, endsStream);
    else this.#messages.onBlock(stream, decoded, endsStream);
  }
}
