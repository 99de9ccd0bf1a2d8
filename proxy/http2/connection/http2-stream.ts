import type { OutputFields } from "./header-block-writer.ts";

/** How far one direction of a stream is: the next thing is its head; then content or trailers; then nothing. */
export type HalfState = "head" | "content" | "ended";

/**
 * `open`: in the stream table. `closed`: both directions have ended. `reset`: ended by RST_STREAM or with the connection.
 */
export type StreamLife = "open" | "closed" | "reset";

/** What follows the queued bytes. */
export type QueueEnd = { readonly kind: "open" } | { readonly kind: "end" } | TrailersEnd;
interface TrailersEnd {
  readonly kind: "trailers";
  readonly fields: OutputFields;
}

export const QUEUE_OPEN: QueueEnd = { kind: "open" };
export const QUEUE_END: QueueEnd = { kind: "end" };

/**
 * One stream. Shells use `id`, `context`, `life`, `remote`, `local` and `queuedBytes`, and change only `context`; the
 * rest is the engine's.
 */
export class Http2Stream<Context> {
  readonly id: number;
  /** The shell's own: set when the stream begins, read at each event. */
  context: Context | undefined;
  life: StreamLife = "open";
  /** What the peer sends. */
  remote: HalfState;
  /** What we send. */
  local: HalfState;

  /** The declared length of the received content; -1: none. */
  expectedBytes = -1;
  /** Whether the received message can have no content: a response to HEAD, 204 or 304. */
  isWithoutContent = false;
  receivedBytes = 0;
  interimResponses = 0;
  /** Bytes that the peer may still send; negative after our own window became smaller. */
  receiveWindow: number;
  /** The receive window when all is consumed. */
  windowSize: number;
  /** Content that the shell has received, or will, and not yet consumed. */
  owedBytes = 0;
  /** The part of `owedBytes` for which the connection's credit was returned. */
  advancedBytes = 0;
  /** Consumed and not yet announced by WINDOW_UPDATE. */
  creditBytes = 0;
  isCreditDue = false;
  /** Whether it counts as a stream of the peer's although it was reset: its work goes on until `release`. */
  isHeld = false;

  /** Bytes that the peer allows us to send; negative after its window became smaller. */
  sendWindow: number;
  queue: Buffer[] = [];
  /** The first piece of `queue` that is not sent. */
  queueHead = 0;
  /** Bytes that wait to be sent. */
  queuedBytes = 0;
  queueEnd: QueueEnd = QUEUE_OPEN;
  /** Whether the scheduler has it in its ring. */
  isScheduled = false;
  /** Whether `sendData` returned false. */
  isWaiting = false;
  /** When bytes were last sent, or began to wait. */
  progressMs = 0;

  constructor(
    id: number,
    options: {
      readonly remote: HalfState;
      readonly local: HalfState;
      readonly receiveWindow: number;
      readonly sendWindow: number;
      readonly context?: Context | undefined;
    },
  ) {
    this.id = id;
    this.remote = options.remote;
    this.local = options.local;
    this.receiveWindow = options.receiveWindow;
    this.windowSize = options.receiveWindow;
    this.sendWindow = options.sendWindow;
    this.context = options.context;
  }
}
