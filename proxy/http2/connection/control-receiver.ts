import type { ConnectionFault, FrameHeader } from "../frames/frame-rules.ts";
import { ERROR_CODE, FLAG, FRAME, MAX_STREAM_ID, MAX_WINDOW_BYTES } from "../frames/frame-types.ts";
import { writePingAck, writeSettingsAck } from "../frames/write-frames.ts";
import { IDLE_STREAM } from "./absent-streams.ts";
import { type ConnectionCore, DRAIN_PING, PROBE_PING } from "./connection-core.ts";
import { OVERHEAD } from "./flood-guard.ts";

const PRIORITY_BYTES = 5;

/** Entries of a SETTINGS frame that cost as much as a frame of its own. */
const SETTINGS_PER_FRAME = 32;

const ZERO_INCREMENT: ConnectionFault = {
  code: ERROR_CODE.protocolError,
  message: "WINDOW_UPDATE has no increment",
};
const WINDOW_OVERFLOW: ConnectionFault = {
  code: ERROR_CODE.flowControlError,
  message: "a window exceeds 2^31-1",
};
const SIZE_OF_PRIORITY: ConnectionFault = {
  code: ERROR_CODE.frameSizeError,
  message: "PRIORITY on an idle stream has not five bytes",
};

/** Frames that carry neither content nor fields: SETTINGS, PING, GOAWAY, WINDOW_UPDATE, RST_STREAM, PRIORITY. */
export class ControlReceiver<Head, Context> {
  readonly #core: ConnectionCore<Head, Context>;

  constructor(core: ConnectionCore<Head, Context>) {
    this.#core = core;
  }

  /** A whole frame of a legal size on a legal stream. */
  onFrame(header: FrameHeader, buffer: Buffer, start: number, end: number): void {
    switch (header.type) {
      case FRAME.windowUpdate:
        this.#onWindowUpdate(header.streamId, buffer.readUInt32BE(start) & 0x7fffffff);
        return;
      case FRAME.rstStream:
        this.#onReset(header.streamId, buffer.readUInt32BE(start));
        return;
      case FRAME.settings:
        if ((header.flags & FLAG.ack) !== 0) {
          this.#onSettingsAck();
          return;
        }
        this.#onSettings(buffer, start, end);
        return;
      case FRAME.ping:
        if ((header.flags & FLAG.ack) !== 0) {
          this.#onPong(buffer.readUInt32BE(start));
          return;
        }
        this.#onPing(buffer, start);
        return;
      case FRAME.goaway:
        this.#onGoaway(buffer.readUInt32BE(start) & 0x7fffffff, buffer.readUInt32BE(start + 4));
        return;
      default:
        this.#onPriority(header);
        return;
    }
  }

  #onWindowUpdate(streamId: number, increment: number): void {
    const core = this.#core;
    core.countWindowUpdate();
    if (streamId === 0) {
      if (increment === 0) core.fail(ZERO_INCREMENT);
      else if (!core.scheduler.enlargeWindow(increment)) core.fail(WINDOW_OVERFLOW);
      return;
    }
    const stream = core.streams.get(streamId);
    if (stream === undefined) {
      if (core.streams.absent(streamId) === "idle") core.fail(IDLE_STREAM);
    } else if (increment === 0) {
      core.failStream(stream, ERROR_CODE.protocolError);
    } else if (stream.sendWindow + increment > MAX_WINDOW_BYTES) {
      core.failStream(stream, ERROR_CODE.flowControlError);
    } else {
      stream.sendWindow += increment;
      core.scheduler.schedule(stream);
    }
  }

  #onReset(streamId: number, code: number): void {
    const core = this.#core;
    const stream = core.streams.get(streamId);
    if (stream !== undefined) core.peerReset(stream, code);
    else if (core.streams.absent(streamId) === "idle") core.fail(IDLE_STREAM);
    else core.countOverhead(OVERHEAD.frame);
  }

  #onSettings(buffer: Buffer, start: number, end: number): void {
    const core = this.#core;
    const { peer } = core;
    const oldWindow = peer.initialWindowBytes;
    const sender = core.role === "server" ? "client" : "server";
    const isFirst = !peer.hasArrived;
    const fault = peer.apply(buffer, start, end, sender) ?? this.#changeWindows(peer.initialWindowBytes - oldWindow);
    if (fault !== undefined) {
      core.fail(fault);
      return;
    }
    writeSettingsAck(core.slab);
    core.emit({ kind: "settings" });
    if (isFirst) return;
    core.countReply();
    core.countOverhead(OVERHEAD.frame + Math.floor((end - start) / (6 * SETTINGS_PER_FRAME)));
  }

  /** A new initial window changes those of all open streams (RFC 9113 §6.9.2). */
  #changeWindows(change: number): ConnectionFault | undefined {
    if (change === 0) return undefined;
    const { streams, scheduler } = this.#core;
    for (const stream of streams.values()) {
      if (stream.sendWindow + change > MAX_WINDOW_BYTES) return WINDOW_OVERFLOW;
      stream.sendWindow += change;
      scheduler.schedule(stream);
    }
    return undefined;
  }

  #onSettingsAck(): void {
    const core = this.#core;
    if (core.ownSettings.acknowledge()) core.windows.acknowledge(core.streams.values());
    else core.countOverhead(OVERHEAD.frame);
  }

  #onPing(buffer: Buffer, start: number): void {
    const core = this.#core;
    // Before our SETTINGS are sent, nothing may overtake them.
    writePingAck(core.isPrefaceTaken ? core.pingReplies : core.slab, buffer, start);
    core.countReply();
    core.countOverhead(OVERHEAD.frame);
  }

  #onPong(purpose: number): void {
    const core = this.#core;
    if (purpose === PROBE_PING && core.windows.isProbing) core.windows.endProbe(core.nowMs);
    else if (purpose === DRAIN_PING && core.drain.isWarned) core.writeFinalGoaway();
    else core.countOverhead(OVERHEAD.frame);
  }

  #onGoaway(lastId: number, code: number): void {
    const core = this.#core;
    core.countOverhead(OVERHEAD.frame);
    if (core.isOver) return;
    if (core.role === "client" && lastId < MAX_STREAM_ID) {
      for (const stream of core.streams.values()) if (stream.id > lastId) core.excludeStream(stream);
    }
    core.emit({ kind: "goaway", code, lastStreamId: lastId });
    core.notePeerGoaway();
  }

  /** Ignored (RFC 9113 §5.3.2), but for its size, which is its stream's fault. */
  #onPriority({ streamId, length }: FrameHeader): void {
    const core = this.#core;
    core.countOverhead(OVERHEAD.frame);
    if (length === PRIORITY_BYTES || core.isOver) return;
    const stream = core.streams.get(streamId);
    if (stream !== undefined) core.failStream(stream, ERROR_CODE.frameSizeError);
    else if (core.streams.absent(streamId) === "idle") core.fail(SIZE_OF_PRIORITY);
  }
}
