import { ERROR_CODE, FLAG, FRAME, FRAME_HEADER_BYTES } from "./frame-types.ts";

/** A frame as its bytes; nothing is checked, so that tests can break each rule. */
export function rawFrame(type: number, flags: number, streamId: number, payload: Buffer | string = ""): Buffer {
  const bytes = Buffer.from(payload);
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUIntBE(bytes.length, 0, 3);
  header[3] = type;
  header[4] = flags;
  header.writeUInt32BE(streamId, 5);
  return Buffer.concat([header, bytes]);
}

export function uint32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, index) => {
    bytes.writeUInt32BE(value, 4 * index);
  });
  return bytes;
}

export function dataFrame(streamId: number, content: Buffer | string, endsStream = false): Buffer {
  return rawFrame(FRAME.data, endsStream ? FLAG.endStream : 0, streamId, content);
}

export function settingsFrame(...entries: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(6 * entries.length);
  entries.forEach(([identifier, value], index) => {
    payload.writeUInt16BE(identifier, 6 * index);
    payload.writeUInt32BE(value, 6 * index + 2);
  });
  return rawFrame(FRAME.settings, 0, 0, payload);
}

export const SETTINGS_ACK: Buffer = rawFrame(FRAME.settings, FLAG.ack, 0);

export function pingFrame(payload = "12345678", flags = 0): Buffer {
  return rawFrame(FRAME.ping, flags, 0, payload);
}

export function resetFrame(streamId: number, code: number = ERROR_CODE.cancel): Buffer {
  return rawFrame(FRAME.rstStream, 0, streamId, uint32(code));
}

export function windowUpdateFrame(streamId: number, increment: number): Buffer {
  return rawFrame(FRAME.windowUpdate, 0, streamId, uint32(increment));
}

export function goawayFrame(lastId: number, code: number = ERROR_CODE.noError): Buffer {
  return rawFrame(FRAME.goaway, 0, 0, uint32(lastId, code));
}

/** A whole frame, as read back from output. */
export interface ReadFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** Cuts output into frames. Incomplete output is a fault of the test's subject. */
export function readFrames(output: Buffer): readonly ReadFrame[] {
  const frames: ReadFrame[] = [];
  let at = 0;
  while (at < output.length) {
    const length = output.readUIntBE(at, 3);
    const end = at + FRAME_HEADER_BYTES + length;
    if (end > output.length) throw new Error("the output ends inside a frame");
    frames.push({
      type: output.readUInt8(at + 3),
      flags: output.readUInt8(at + 4),
      streamId: output.readUInt32BE(at + 5),
      payload: output.subarray(at + FRAME_HEADER_BYTES, end),
    });
    at = end;
  }
  return frames;
}
