import { FrameReader } from "../frames/frame-reader.ts";
import { DEFAULT_MAX_FRAME_BYTES, ERROR_CODE } from "../frames/frame-types.ts";
import { writeSettings } from "../frames/write-frames.ts";
import type { ConnectionCore } from "./connection-core.ts";
import { NOTHING_PENDING } from "./connection-state.ts";
import { FrameReceiver, type MessageReceiver } from "./frame-receiver.ts";
import type { OutputFields } from "./header-block-writer.ts";
import type { Http2Event } from "./http2-events.ts";
import { type Http2Stream, QUEUE_END } from "./http2-stream.ts";

/** Output that one `takeOutput` collects, in bytes; more would make TCP the queue of all streams. */
const FLUSH_BYTES = 65_536;

/**
 * One HTTP/2 connection, sans-I/O: bytes in, events out, the same for every split of the input; output is taken as
 * buffers. See ../README.md for who calls what when. `Head` is what the peer sends, `Context` the shell's own value of a
 * stream.
 */
export class Http2Connection<Head, Context> {
  protected readonly core: ConnectionCore<Head, Context>;
  readonly #reader: FrameReader;
  readonly #receiver: FrameReceiver<Head, Context>;

  /** @param messages what the role does with header blocks. */
  protected constructor(core: ConnectionCore<Head, Context>, messages: MessageReceiver<Context>) {
    this.core = core;
    this.#receiver = new FrameReceiver(core, messages);
    this.#reader = new FrameReader(this.#receiver, { role: core.role, maxFrameBytes: DEFAULT_MAX_FRAME_BYTES });
    writeSettings(core.slab, core.ownSettings.entries);
    core.windows.start(core.slab);
  }

  /** Streams that are open, or whose work goes on although they were reset. */
  get activeStreams(): number {
    return this.core.streams.active;
  }

  /** Whether `takeOutput` would return bytes. */
  get hasOutput(): boolean {
    const { slab, pingReplies, isOver, windows, scheduler } = this.core;
    if (slab.bytes > 0 || pingReplies.bytes > 0) return true;
    return !isOver && (scheduler.hasWork || windows.hasUpdates);
  }

  /** Bytes that the engine holds outside of streams: an incomplete header block, and output that was not taken. */
  get bufferedBytes(): number {
    return this.#receiver.bufferedBytes + this.core.slab.bytes + this.core.pingReplies.bytes;
  }

  /** Whether a header block has begun and is incomplete: no other frame can be read before its end. */
  get awaitsHead(): boolean {
    return !this.isOver && this.#reader.isInHeaderBlock;
  }

  /** Whether the connection has failed or was closed: nothing more is read, and only the output is left to flush. */
  get isOver(): boolean {
    return this.core.isOver;
  }

  /**
   * Consumes received bytes. Never throws. The events' DATA are views of `chunk`, which must not be written again.
   * @param nowMs the time of any clock that only rises.
   */
  receive(chunk: Buffer, nowMs: number): readonly Http2Event<Head, Context>[] {
    this.core.nowMs = nowMs;
    this.core.windows.startRead();
    if (!this.isOver) this.#reader.read(chunk);
    return this.#finish();
  }

  /** Lets deadlines pass: call it about once a second. */
  expire(nowMs: number): readonly Http2Event<Head, Context>[] {
    const { core } = this;
    core.nowMs = nowMs;
    if (core.isOver) return this.#finish();
    const { settingsTimeoutMs, stallTimeoutMs, drainGraceMs } = core.limits;
    if (core.ownSettings.isOverdue(nowMs, settingsTimeoutMs)) {
      core.fail({ code: ERROR_CODE.settingsTimeout, message: "our SETTINGS were not acknowledged in time" });
      return this.#finish();
    }
    if (core.drain.isGraceOver(nowMs, drainGraceMs)) core.writeFinalGoaway();
    for (const stream of core.streams.values()) {
      if (stream.queuedBytes > 0 && nowMs - stream.progressMs >= stallTimeoutMs) core.resetStalled(stream);
    }
    return core.takeEvents();
  }

  /** The socket has ended or closed: each open stream is reset, and no output remains. */
  end(): readonly Http2Event<Head, Context>[] {
    this.core.end();
    this.core.slab.clear();
    this.core.pingReplies.clear();
    return this.#finish();
  }

  /** Ends the connection with GOAWAY by the shell's own decision. @param code one of `ERROR_CODE`. */
  abort(code: number, message: string): readonly Http2Event<Head, Context>[] {
    this.core.fail({ code, message });
    return this.#finish();
  }

  /**
   * Hands over output: replies to PING first, then control and header frames and short content, then DATA of the streams
   * in turn until about `budget` bytes. May produce events, which `takeEvents` returns.
   */
  takeOutput(budget = FLUSH_BYTES): readonly Buffer[] {
    const { core } = this;
    const { slab, pingReplies } = core;
    if (!core.isOver) {
      core.windows.writeUpdates(slab);
      core.scheduler.fill(slab, budget, core);
    }
    core.guard.repliesTaken();
    core.isPrefaceTaken = true;
    if (slab.bytes === 0 && pingReplies.bytes === 0) return NOTHING_PENDING;
    return pingReplies.bytes === 0 ? slab.take() : [...pingReplies.take(), ...slab.take()];
  }

  /** Events since the last call: after `takeOutput`, `sendData`, `release` and other calls that return none. */
  takeEvents(): readonly Http2Event<Head, Context>[] {
    return this.core.takeEvents();
  }

  /**
   * Queues content behind the head. The bytes must not change until they are sent. Ignored if the stream is closed.
   * @returns false: enough is queued; a `writable` event tells when there is room again.
   */
  sendData(stream: Http2Stream<Context>, bytes: Buffer, endsStream: boolean): boolean {
    if (!this.#canSend(stream)) return true;
    const { core } = this;
    if (bytes.length === 0 && stream.queuedBytes === 0) {
      if (endsStream) core.writeEmptyEnd(stream);
      return true;
    }
    if (stream.queuedBytes === 0) stream.progressMs = core.nowMs;
    if (endsStream) stream.queueEnd = QUEUE_END;
    if (bytes.length > 0) core.scheduler.queue(stream, bytes);
    if (endsStream) core.scheduler.writeShort(core.slab, stream, core);
    if (endsStream || stream.queuedBytes < core.limits.maxQueuedBytes) return true;
    stream.isWaiting = true;
    return false;
  }

  /** Ends the message with trailers, behind what is queued. */
  sendTrailers(stream: Http2Stream<Context>, fields: OutputFields): void {
    if (!this.#canSend(stream)) return;
    if (stream.queuedBytes > 0) {
      stream.queueEnd = { kind: "trailers", fields };
      this.core.scheduler.writeShort(this.core.slab, stream, this.core);
      return;
    }
    this.core.headers.writeTrailers(stream.id, fields);
    this.core.endLocal(stream);
  }

  /** The consumer has taken received content: its credit goes back to the peer. */
  consume(stream: Http2Stream<Context>, bytes: number): void {
    this.core.windows.consume(stream, bytes);
  }

  /**
   * The consumer is slow and holds received content: the connection's credit goes back to the peer, so that other
   * streams go on. The stream's own follows with `consume`. Has an effect within 32 MB a connection.
   */
  hold(stream: Http2Stream<Context>, bytes: number): void {
    this.core.windows.advance(stream, bytes);
  }

  /** Resets an open stream; no event follows. @param code one of `ERROR_CODE`. */
  reset(stream: Http2Stream<Context>, code: number): void {
    this.core.resetStream(stream, code);
  }

  /**
   * The shell has finished with a stream: call it once for each. An open one is reset, content that was not consumed is
   * credited, and a reset one stops counting as active.
   */
  release(stream: Http2Stream<Context>): void {
    const { core } = this;
    if (stream.life === "open") {
      // A complete response asks the client to stop sending (RFC 9113 §8.1).
      const isComplete = core.role === "server" && stream.local === "ended";
      core.resetStream(stream, isComplete ? ERROR_CODE.noError : ERROR_CODE.cancel);
    }
    core.windows.forgive(stream);
    core.releaseHold(stream);
  }

  #finish(): readonly Http2Event<Head, Context>[] {
    if (this.core.isOver) this.#receiver.clear();
    return this.core.takeEvents();
  }

  #canSend(stream: Http2Stream<Context>): boolean {
    if (stream.life !== "open") return false;
    if (stream.local === "content" && stream.queueEnd.kind === "open") return true;
    throw new Error("content or trailers were sent before the head or after the end of a message");
  }
}
