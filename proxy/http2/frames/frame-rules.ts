import { ERROR_CODE, FLAG, FRAME } from "./frame-types.ts";

/** The header of the current frame. One object for all frames of a connection: copy what must outlive the call. */
export interface FrameHeader {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  /** Of the payload with its padding, in bytes. */
  readonly length: number;
}

/** A violation that ends the connection (RFC 9113 §5.4.1). */
export interface ConnectionFault {
  /** One of `ERROR_CODE`. */
  readonly code: number;
  /** For the log and GOAWAY's debug data, without quoting the peer's bytes. */
  readonly message: string;
}

/** Where a type may occur, by its number. */
const PLACES: readonly ("stream" | "connection" | "both")[] = [
  "stream", // DATA
  "stream", // HEADERS
  "stream", // PRIORITY
  "stream", // RST_STREAM
  "connection", // SETTINGS
  "stream", // PUSH_PROMISE
  "connection", // PING
  "connection", // GOAWAY
  "both", // WINDOW_UPDATE
  "stream", // CONTINUATION
];

const protocolError = (message: string): ConnectionFault => ({ code: ERROR_CODE.protocolError, message });
const sizeError = (message: string): ConnectionFault => ({ code: ERROR_CODE.frameSizeError, message });

const TOO_LONG = sizeError("a frame is longer than SETTINGS_MAX_FRAME_SIZE");
const WRONG_SIZE = sizeError("a frame has not the size that its type prescribes");
const INSIDE_BLOCK = protocolError("a header block is interrupted by another frame");
const OUTSIDE_BLOCK = protocolError("CONTINUATION follows no open header block");
const PUSH = protocolError("PUSH_PROMISE is not allowed: push is disabled");
const NEEDS_STREAM = protocolError("a frame that belongs to a stream came on stream 0");
const NEEDS_CONNECTION = protocolError("a frame that belongs to the connection came on a stream");

/**
 * Judges a frame by its header alone, before any of its payload is read. All faults end the connection: a frame of a
 * wrong size changes the connection's state or loses the framing (RFC 9113 §4.2).
 * @param openBlock the stream whose header block is incomplete, else 0.
 */
export function faultOfFrameHeader(
  header: FrameHeader,
  openBlock: number,
  maxFrameBytes: number,
): ConnectionFault | undefined {
  const { type, streamId, length } = header;
  if (openBlock !== 0 && (type !== FRAME.continuation || streamId !== openBlock)) return INSIDE_BLOCK;
  if (length > maxFrameBytes) return TOO_LONG;
  if (type > FRAME.continuation) return undefined;
  if (type === FRAME.pushPromise) return PUSH;
  if (type === FRAME.continuation && openBlock === 0) return OUTSIDE_BLOCK;
  const place = PLACES[type];
  if (streamId === 0 && place === "stream") return NEEDS_STREAM;
  if (streamId !== 0 && place === "connection") return NEEDS_CONNECTION;
  return hasLegalSize(header) ? undefined : WRONG_SIZE;
}

/** RFC 9113 §6. The size of PRIORITY is its stream's fault alone (§6.3). */
function hasLegalSize({ type, flags, length }: FrameHeader): boolean {
  switch (type) {
    case FRAME.data:
      return length > 0 || (flags & FLAG.padded) === 0;
    case FRAME.headers:
      return length >= prefixBytes(flags);
    case FRAME.settings:
      return (flags & FLAG.ack) === 0 ? length % 6 === 0 : length === 0;
    case FRAME.ping:
      return length === 8;
    case FRAME.goaway:
      return length >= 8;
    case FRAME.rstStream:
    case FRAME.windowUpdate:
      return length === 4;
    default:
      return true;
  }
}

/** The bytes before a HEADERS frame's fragment: the padding's length, and the priority that is ignored (§5.3.2). */
export function prefixBytes(flags: number): number {
  return ((flags & FLAG.padded) !== 0 ? 1 : 0) + ((flags & FLAG.priority) !== 0 ? 5 : 0);
}
