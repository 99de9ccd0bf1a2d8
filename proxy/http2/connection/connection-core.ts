import type { ConnectionFault } from "../frames/frame-rules.ts";
import { ERROR_CODE, FLAG, FRAME } from "../frames/frame-types.ts";
import { writeGoaway, writePing, writeRstStream } from "../frames/write-frames.ts";
import type { MalformedMessage } from "../message-head.ts";
import { ConnectionState } from "./connection-state.ts";
import type { ResetCause } from "./http2-events.ts";
import type { Http2Stream } from "./http2-stream.ts";
import type { SendObserver } from "./send-scheduler.ts";

/** The first four bytes of the PINGs that measure a round trip ("bdp\0"). */
export const PROBE_PING = 0x62647000;

/** The first four bytes of the PING between the two GOAWAYs ("bye\0"). */
export const DRAIN_PING = 0x62796500;

/** Details of a reset that few have. */
interface ResetDetails {
  readonly fault?: MalformedMessage | undefined;
  readonly isUnprocessed?: boolean;
}

/** One connection with the transitions that both directions share. */
export class ConnectionCore<Head, Context> extends ConnectionState<Head, Context> implements SendObserver<Context> {
  /** A connection error (RFC 9113 §5.4.1): GOAWAY, and the end of all streams. */
  fail({ code, message }: ConnectionFault): void {
    if (this.isOver) return;
    writeGoaway(this.slab, this.#lastPeerId(), code, message);
    this.end();
    this.emit({ kind: "failed", code, message });
  }

  /** All streams end, because the connection does. */
  end(): void {
    if (this.isOver) return;
    this.drain.end();
    for (const stream of this.streams.values()) {
      this.#remove(stream, "reset");
      this.#emitReset(stream, ERROR_CODE.internalError, "connection", {});
    }
  }

  /** A stream error of the peer's making (RFC 9113 §5.4.2): RST_STREAM, which counts (CVE-2025-8671). */
  failStream(stream: Http2Stream<Context>, code: number, fault?: MalformedMessage): void {
    if (stream.life !== "open") return;
    this.#writeReset(stream.id, code);
    this.#remove(stream, "reset");
    this.#hold(stream);
    this.#emitReset(stream, code, "fault", { fault });
    this.countOverhead(fault === undefined ? 1 : 10);
    this.countReset();
  }

  /** A new request that does not become a stream. */
  rejectStream(streamId: number, code: number, fault: MalformedMessage): void {
    this.#writeReset(streamId, code);
    this.noteRejected(streamId, code, fault);
  }

  /** As `rejectStream`, after a response of its own. */
  noteRejected(streamId: number, code: number, fault: MalformedMessage): void {
    this.streams.rememberReset(streamId);
    this.emit({ kind: "rejected", streamId, code, fault });
    this.countReset();
  }

  /** RST_STREAM by our own decision. No event: the shell knows. */
  resetStream(stream: Http2Stream<Context>, code: number): void {
    if (stream.life !== "open" || this.isOver) return;
    writeRstStream(this.slab, stream.id, code);
    this.#remove(stream, "reset");
  }

  /** Resets a stream whose peer grants no window. */
  resetStalled(stream: Http2Stream<Context>): void {
    this.resetStream(stream, ERROR_CODE.cancel);
    this.#hold(stream);
    this.#emitReset(stream, ERROR_CODE.cancel, "stalled", {});
  }

  /** The peer sent RST_STREAM (CVE-2023-44487: its work counts until it is released). */
  peerReset(stream: Http2Stream<Context>, code: number): void {
    this.#remove(stream, "reset");
    this.#hold(stream);
    const isUnprocessed = this.role === "client" && code === ERROR_CODE.refusedStream;
    this.#emitReset(stream, code, "peer", { isUnprocessed });
    this.countReset();
  }

  /** The peer's GOAWAY excludes the stream. */
  excludeStream(stream: Http2Stream<Context>): void {
    this.#remove(stream, "reset");
    this.#emitReset(stream, ERROR_CODE.refusedStream, "goaway", { isUnprocessed: true });
  }

  /** The peer's half is complete. */
  endRemote(stream: Http2Stream<Context>): void {
    stream.remote = "ended";
    if (stream.local === "ended") this.#remove(stream, "closed");
  }

  /** Our half is complete, and written. */
  endLocal(stream: Http2Stream<Context>): void {
    stream.local = "ended";
    if (stream.remote === "ended") this.#remove(stream, "closed");
  }

  /** The shell has finished with a stream that was reset. */
  releaseHold(stream: Http2Stream<Context>): void {
    this.streams.releaseHold(stream);
    this.#checkDrained();
  }

  /** Writes an empty DATA frame with END_STREAM. */
  writeEmptyEnd(stream: Http2Stream<Context>): void {
    this.slab.header({ length: 0, type: FRAME.data, flags: FLAG.endStream, streamId: stream.id });
    this.endLocal(stream);
  }

  onQueueEmpty(stream: Http2Stream<Context>): void {
    const { queueEnd, life } = stream;
    if (queueEnd.kind === "open" || life !== "open") return;
    if (queueEnd.kind === "trailers") this.headers.writeTrailers(stream.id, queueEnd.fields);
    this.endLocal(stream);
  }

  onSentData(stream: Http2Stream<Context>, bytes: number, isCut: boolean): void {
    stream.progressMs = this.nowMs;
    if (!this.guard.countSentData(bytes, isCut, this.nowMs)) this.fail(FLOOD);
    if (!stream.isWaiting || stream.queuedBytes * 2 > this.limits.maxQueuedBytes) return;
    stream.isWaiting = false;
    this.emit({ kind: "writable", stream });
  }

  countWindowUpdate(): void {
    if (!this.guard.countWindowUpdate(this.nowMs)) this.fail(FLOOD);
  }

  countOverhead(cost: number): void {
    if (!this.guard.countOverhead(cost, this.nowMs)) this.fail(FLOOD);
  }

  /** A reply to the peer waits in the output. */
  countReply(): void {
    if (!this.guard.countReply()) this.fail(UNREAD);
  }

  /** Only a client can cost us work by resets: a server can only reset what we opened. */
  countReset(): void {
    if (this.role === "server" && !this.guard.countReset(this.nowMs)) this.fail(RESETS);
  }

  /** The GOAWAY that names the last stream which is processed; nothing later will be. */
  writeFinalGoaway(): void {
    const lastId = this.#lastPeerId();
    writeGoaway(this.slab, lastId, ERROR_CODE.noError);
    this.drain.finish(lastId);
    this.#checkDrained();
  }

  /** The peer's GOAWAY was handled. */
  notePeerGoaway(): void {
    this.drain.notePeerGoaway();
    this.#checkDrained();
  }

  /** Asks how much one round trip brings, if that may enlarge the windows. */
  probe(): void {
    if (this.windows.startProbe(this.nowMs)) writePing(this.slab, PROBE_PING, 0);
  }

  #lastPeerId(): number {
    if (this.role === "client") return 0;
    return this.drain.finalId ?? this.streams.lastId;
  }

  #writeReset(streamId: number, code: number): void {
    writeRstStream(this.slab, streamId, code);
    this.countReply();
  }

  /** A request's work goes on upstream until the shell releases it. */
  #hold(stream: Http2Stream<Context>): void {
    if (this.role === "server") this.streams.hold(stream);
  }

  #remove(stream: Http2Stream<Context>, life: "closed" | "reset"): void {
    if (stream.life !== "open") return;
    stream.life = life;
    this.streams.remove(stream);
    this.scheduler.drop(stream);
    if (life === "reset") {
      this.windows.forgive(stream);
      this.streams.rememberReset(stream.id);
    }
    this.#checkDrained();
  }

  #emitReset(stream: Http2Stream<Context>, code: number, cause: ResetCause, details: ResetDetails): void {
    const { fault, isUnprocessed = false } = details;
    this.emit({ kind: "reset", stream, code, cause, isUnprocessed, fault });
  }

  #checkDrained(): void {
    if (this.streams.active > 0 || !this.drain.reportDrained()) return;
    this.emit({ kind: "drained" });
  }
}

const calm = (message: string): ConnectionFault => ({ code: ERROR_CODE.enhanceYourCalm, message });
const FLOOD = calm("too many frames that carry nothing");
const UNREAD = calm("too many replies wait to be read");
const RESETS = calm("too many streams are reset");
