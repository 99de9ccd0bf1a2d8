import type { Socket } from "node:net";
import type { Deadlines } from "../deadlines.ts";
import type { HttpTimeLimits } from "../http-limits.ts";
import { type DownstreamPhase, decideOverdue, type Overdue, type Waiting } from "./decide-overdue.ts";

/** The state of a client's connection when its time limits are checked. */
export interface WaitState extends Pick<Waiting, "isIdle" | "isClosing"> {
  /** Whether there is a request that only more of its body can make go on. */
  readonly isFed: boolean;
}

/**
 * What a client's connection waits for, and since when: for a complete head, for the next request, for more of a body,
 * or for the client to close.
 */
export class ClientWait {
  readonly #socket: Socket;
  readonly #deadlines: Pick<Deadlines, "nowMs">;
  #phase: DownstreamPhase = "head";
  #sinceMs: number;

  /** @param deadlines must watch the connection already, so that they have read the clock. */
  constructor(socket: Socket, deadlines: Pick<Deadlines, "nowMs">) {
    this.#socket = socket;
    this.#deadlines = deadlines;
    this.#sinceMs = deadlines.nowMs;
  }

  get phase(): DownstreamPhase {
    return this.#phase;
  }

  enter(phase: DownstreamPhase): void {
    this.#phase = phase;
    this.restart();
  }

  /** Something has arrived, or may arrive only now. */
  restart(): void {
    this.#sinceMs = this.#deadlines.nowMs;
  }

  /** Unless it is over: sends what was written and a FIN, and waits for the client to close. Its remaining bytes are read. */
  linger(): void {
    if (this.#phase === "over") return;
    this.enter("lingering");
    this.#socket.end(() => this.restart());
    // A reset because of unread bytes would destroy the last response.
    this.#socket.resume();
  }

  /**
   * Writes nothing to a client that has ended its side, while its request is in progress: if it has reset the connection
   * since, the socket closes. The kernel reports a reset behind a FIN to a write alone.
   */
  probe(): void {
    if (this.#phase === "exchange" && this.#socket.writableLength === 0) this.#socket.write(NOTHING);
  }

  /**
   * Since when more of a body is expected of the client; `undefined`: it is not, or the proxy does not read now.
   * @param isWhole whether the request in progress has been read completely; `undefined`: there is none.
   */
  awaitsBodySinceMs(isWhole: boolean | undefined): number | undefined {
    return this.#phase === "exchange" && isWhole === false && !this.#socket.isPaused() ? this.#sinceMs : undefined;
  }

  /** Which time limit is exceeded. */
  overdue(nowMs: number, { isIdle, isClosing, isFed }: WaitState, limits: HttpTimeLimits): Overdue {
    const waiting = {
      phase: this.#phase,
      waitedMs: nowMs - this.#sinceMs,
      isIdle,
      isClosing,
      awaitsBody: isFed && !this.#socket.isPaused(),
      isAnswerOut: this.#socket.writableFinished,
    };
    return decideOverdue(waiting, limits);
  }
}

const NOTHING = Buffer.alloc(0);
