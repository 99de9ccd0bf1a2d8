import { type ConnectionFault, type FrameHeader, faultOfFrameHeader } from "./frame-rules.ts";
import { CLIENT_PREFACE, ERROR_CODE, FLAG, FRAME, FRAME_HEADER_BYTES } from "./frame-types.ts";

/** Receives the frames of a connection, in order. */
export interface FrameSink {
  /** False: the rest of the input is ignored. */
  readonly isReading: boolean;
  /**
   * A DATA frame begins; `header.length` counts against both windows. Its padding length is known and legal.
   * @param dataBytes the content without padding; that many bytes follow in calls of `onData`.
   */
  onDataStart(header: FrameHeader, dataBytes: number): void;
  /** Content of the current DATA frame: a view of the chunk. @param isLast the frame's content is complete. */
  onData(header: FrameHeader, bytes: Buffer, isLast: boolean): void;
  /** Any other known frame, whole; its payload is `buffer[start..end)`, valid during the call. */
  onFrame(header: FrameHeader, buffer: Buffer, start: number, end: number): void;
  /** A frame of an unknown type, which is skipped (RFC 9113 §5.5). */
  onUnknownFrame(header: FrameHeader): void;
  onFault(fault: ConnectionFault): void;
}

type Phase = "preface" | "header" | "pad_length" | "data" | "skip" | "payload" | "stopped";

const EMPTY = Buffer.alloc(0);

/**
 * Cuts the bytes of a connection into frames and refuses illegal sizes and streams (RFC 9113 §4, §6) as soon as the
 * frame's header is complete. Sans-I/O: the same calls for every split of the input, but that DATA content comes as it
 * arrived. Memory: at most one frame of `maxFrameBytes`, and none of DATA.
 */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #maxFrameBytes: number;
  readonly #header = { type: 0, flags: 0, streamId: 0, length: 0 };
  readonly #partialHeader = Buffer.alloc(FRAME_HEADER_BYTES);
  #phase: Phase;
  /** Bytes of the preface, the frame header or the payload that have been collected. */
  #collected = 0;
  /** Bytes that are missing: of DATA content, or of what is skipped. */
  #missing = 0;
  #padding = 0;
  #payload = EMPTY;
  /** The stream whose header block is incomplete, else 0. Only its CONTINUATION may follow (RFC 9113 §6.10). */
  #openBlock = 0;

  /** @param role whose input it reads: a server expects the client's preface first. */
  constructor(sink: FrameSink, options: { readonly role: "client" | "server"; readonly maxFrameBytes: number }) {
    this.#sink = sink;
    this.#maxFrameBytes = options.maxFrameBytes;
    this.#phase = options.role === "server" ? "preface" : "header";
  }

  /** Whether a header block has begun and is incomplete. */
  get isInHeaderBlock(): boolean {
    if (this.#openBlock !== 0) return true;
    const { type } = this.#header;
    return this.#phase === "payload" && (type === FRAME.headers || type === FRAME.continuation);
  }

  /** Consumes bytes. Views of `chunk` go to `onData`; nothing else keeps it. */
  read(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length && this.#phase !== "stopped" && this.#sink.isReading) at = this.#step(chunk, at);
  }

  #step(chunk: Buffer, at: number): number {
    switch (this.#phase) {
      case "header":
        return this.#readHeader(chunk, at);
      case "data":
        return this.#readData(chunk, at);
      case "payload":
        return this.#readPayload(chunk, at);
      case "skip":
        return this.#skip(chunk, at);
      case "pad_length":
        this.#startData(chunk[at] ?? 0, 1);
        return at + 1;
      case "preface":
        return this.#readPreface(chunk, at);
      case "stopped":
        return chunk.length;
    }
  }

  #readPreface(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + CLIENT_PREFACE.length - this.#collected);
    const expected = CLIENT_PREFACE.subarray(this.#collected, this.#collected + end - at);
    if (!expected.equals(chunk.subarray(at, end))) {
      this.#fail(ERROR_CODE.protocolError, "the client's connection preface is not HTTP/2's");
      return chunk.length;
    }
    this.#collected += end - at;
    if (this.#collected === CLIENT_PREFACE.length) this.#expectHeader();
    return end;
  }

  #expectHeader(): void {
    this.#phase = "header";
    this.#collected = 0;
  }

  #readHeader(chunk: Buffer, at: number): number {
    if (this.#collected === 0 && chunk.length - at >= FRAME_HEADER_BYTES) {
      this.#parseHeader(chunk, at);
      return this.#startFrame(chunk, at + FRAME_HEADER_BYTES);
    }
    const end = Math.min(chunk.length, at + FRAME_HEADER_BYTES - this.#collected);
    chunk.copy(this.#partialHeader, this.#collected, at, end);
    this.#collected += end - at;
    if (this.#collected < FRAME_HEADER_BYTES) return end;
    this.#parseHeader(this.#partialHeader, 0);
    this.#collected = 0;
    return this.#startFrame(chunk, end);
  }

  #parseHeader(buffer: Buffer, at: number): void {
    const header = this.#header;
    const high = ((buffer[at] ?? 0) << 16) | ((buffer[at + 1] ?? 0) << 8);
    header.length = high | (buffer[at + 2] ?? 0);
    header.type = buffer[at + 3] ?? 0;
    header.flags = buffer[at + 4] ?? 0;
    const id = ((buffer[at + 5] ?? 0) << 24) | ((buffer[at + 6] ?? 0) << 16);
    header.streamId = (id | ((buffer[at + 7] ?? 0) << 8) | (buffer[at + 8] ?? 0)) & 0x7fffffff;
  }

  /** The header is complete: judges it, and reads the payload at once if the chunk has all of it. */
  #startFrame(chunk: Buffer, at: number): number {
    const header = this.#header;
    const fault = faultOfFrameHeader(header, this.#openBlock, this.#maxFrameBytes);
    if (fault !== undefined) {
      this.#fail(fault.code, fault.message);
      return chunk.length;
    }
    if (header.type === FRAME.data) return this.#startDataFrame(at);
    if (header.type > FRAME.continuation) return this.#startUnknown(at);
    if (header.type === FRAME.headers || header.type === FRAME.continuation) {
      this.#openBlock = (header.flags & FLAG.endHeaders) === 0 ? header.streamId : 0;
    }
    const end = at + header.length;
    if (end <= chunk.length) {
      this.#deliver(chunk, at, end);
      return end;
    }
    this.#phase = "payload";
    this.#payload = Buffer.allocUnsafe(header.length);
    return at;
  }

  #startDataFrame(at: number): number {
    if ((this.#header.flags & FLAG.padded) !== 0) this.#phase = "pad_length";
    else this.#startData(0, 0);
    return at;
  }

  /** @param prefix how many bytes stand before the content: 1 for the length of padding. */
  #startData(padding: number, prefix: number): void {
    const header = this.#header;
    const dataBytes = header.length - prefix - padding;
    if (dataBytes < 0) {
      this.#fail(ERROR_CODE.protocolError, "the padding of a DATA frame is longer than the frame");
      return;
    }
    this.#padding = padding;
    this.#missing = dataBytes;
    this.#phase = "data";
    this.#sink.onDataStart(header, dataBytes);
    if (dataBytes === 0) this.#endData(EMPTY);
  }

  #endData(bytes: Buffer): void {
    this.#missing = this.#padding;
    if (this.#padding === 0) this.#expectHeader();
    else this.#phase = "skip";
    this.#sink.onData(this.#header, bytes, true);
  }

  #readData(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#missing);
    this.#missing -= end - at;
    const bytes = at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end);
    if (this.#missing === 0) this.#endData(bytes);
    else this.#sink.onData(this.#header, bytes, false);
    return end;
  }

  #startUnknown(at: number): number {
    this.#missing = this.#header.length;
    if (this.#missing > 0) this.#phase = "skip";
    this.#sink.onUnknownFrame(this.#header);
    return at;
  }

  #skip(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#missing);
    this.#missing -= end - at;
    if (this.#missing === 0) this.#expectHeader();
    return end;
  }

  #readPayload(chunk: Buffer, at: number): number {
    const end = Math.min(chunk.length, at + this.#header.length - this.#collected);
    chunk.copy(this.#payload, this.#collected, at, end);
    this.#collected += end - at;
    if (this.#collected < this.#header.length) return end;
    const payload = this.#payload;
    this.#payload = EMPTY;
    this.#deliver(payload, 0, payload.length);
    return end;
  }

  #deliver(buffer: Buffer, start: number, end: number): void {
    this.#expectHeader();
    this.#sink.onFrame(this.#header, buffer, start, end);
  }

  #fail(code: number, message: string): void {
    this.#phase = "stopped";
    this.#sink.onFault({ code, message });
  }
}
