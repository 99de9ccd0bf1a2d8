import { ERROR_CODE, FLAG, FRAME, FRAME_HEADER_BYTES } from "./frame-types.ts";
import type { OutputSlab } from "./output-slab.ts";

/** A GOAWAY's debug data is cut to this size. */
const MAX_DEBUG_BYTES = 128;

/** Writes SETTINGS. @param settings pairs of identifier and value. */
export function writeSettings(slab: OutputSlab, settings: readonly (readonly [number, number])[]): void {
  slab.beginFrame(6 * settings.length);
  for (const [identifier, value] of settings) {
    slab.at = slab.buffer.writeUInt16BE(identifier, slab.at);
    slab.uint32(value);
  }
  slab.endFrame(FRAME.settings, 0, 0);
}

/** Acknowledges the peer's SETTINGS (RFC 9113 §6.5.3). */
export function writeSettingsAck(slab: OutputSlab): void {
  slab.beginFrame(0);
  slab.endFrame(FRAME.settings, FLAG.ack, 0);
}

/** Writes a PING of ours. @param high the first four of its eight bytes. @param low the others. */
export function writePing(slab: OutputSlab, high: number, low: number): void {
  slab.beginFrame(8);
  slab.uint32(high);
  slab.uint32(low);
  slab.endFrame(FRAME.ping, 0, 0);
}

/** Answers a PING with its own eight bytes. */
export function writePingAck(slab: OutputSlab, buffer: Buffer, start: number): void {
  slab.beginFrame(8);
  slab.at += buffer.copy(slab.buffer, slab.at, start, start + 8);
  slab.endFrame(FRAME.ping, FLAG.ack, 0);
}

/** @param code one of `ERROR_CODE`. */
export function writeRstStream(slab: OutputSlab, streamId: number, code: number): void {
  slab.beginFrame(4);
  slab.uint32(code);
  slab.endFrame(FRAME.rstStream, 0, streamId);
}

/** @param increment in bytes, 1 to 2^31-1. @param streamId 0: the connection. */
export function writeWindowUpdate(slab: OutputSlab, streamId: number, increment: number): void {
  slab.beginFrame(4);
  slab.uint32(increment);
  slab.endFrame(FRAME.windowUpdate, 0, streamId);
}

/** @param code one of `ERROR_CODE`. @param message debug data, only for errors. */
export function writeGoaway(slab: OutputSlab, lastStreamId: number, code: number, message = ""): void {
  const debug = code === ERROR_CODE.noError ? "" : message.slice(0, MAX_DEBUG_BYTES);
  slab.beginFrame(8 + debug.length);
  slab.uint32(lastStreamId);
  slab.uint32(code);
  slab.at += slab.buffer.write(debug, slab.at, "latin1");
  slab.endFrame(FRAME.goaway, 0, 0);
}

/**
 * Completes the begun frame, whose payload is a whole header block, as HEADERS; as HEADERS and CONTINUATION if it is
 * longer than the peer's frames may be.
 */
export function endHeaderBlock(
  slab: OutputSlab,
  options: { readonly streamId: number; readonly endsStream: boolean; readonly maxFrameBytes: number },
): void {
  const { streamId, maxFrameBytes } = options;
  const endStream = options.endsStream ? FLAG.endStream : 0;
  const blockBytes = slab.payloadBytes;
  if (blockBytes <= maxFrameBytes) {
    slab.endFrame(FRAME.headers, FLAG.endHeaders | endStream, streamId);
    return;
  }
  const blockStart = slab.at - blockBytes;
  const rest = Buffer.from(slab.buffer.subarray(blockStart + maxFrameBytes, slab.at));
  slab.at = blockStart + maxFrameBytes;
  slab.endFrame(FRAME.headers, endStream, streamId);
  for (let at = 0; at < rest.length; at += maxFrameBytes) {
    const fragment = rest.subarray(at, at + maxFrameBytes);
    slab.beginFrame(fragment.length + FRAME_HEADER_BYTES);
    slab.at += fragment.copy(slab.buffer, slab.at);
    slab.endFrame(FRAME.continuation, at + maxFrameBytes >= rest.length ? FLAG.endHeaders : 0, streamId);
  }
}
