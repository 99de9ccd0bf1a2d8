import type { HttpTimeLimits } from "../http-limits.ts";

/** What a client's connection waits for; `lingering`: for the client to close, after its last response. */
export type DownstreamPhase = "head" | "exchange" | "lingering" | "tunnel" | "over";

export interface Waiting {
  readonly phase: DownstreamPhase;
  readonly waitedMs: number;
  /** Nothing of the next request has arrived. */
  readonly isIdle: boolean;
  /** An idle connection is closed. */
  readonly isClosing: boolean;
  /** More of a request's body is expected, and would be read. */
  readonly awaitsBody: boolean;
  /** The kernel has accepted everything that was written. */
  readonly isAnswerOut: boolean;
}

/** `leave`: it closes cleanly. */
export type Overdue = "nothing" | "leave" | "head_timeout" | "body_timeout" | "close";

/** Which time limit a client's connection has exceeded. */
export function decideOverdue(waiting: Waiting, limits: HttpTimeLimits): Overdue {
  const { phase, waitedMs } = waiting;
  switch (phase) {
    case "head":
      if (waiting.isIdle) return decideIdle(waiting, limits);
      return waitedMs >= limits.headTimeoutMs ? "head_timeout" : "nothing";
    case "exchange":
      return waiting.awaitsBody && waitedMs >= limits.bodyIdleMs ? "body_timeout" : "nothing";
    case "lingering":
      // Until the kernel has accepted the last response, destroying the socket would truncate it.
      return waitedMs >= (waiting.isAnswerOut ? limits.lingerMs : limits.bodyIdleMs) ? "close" : "nothing";
    case "tunnel":
    case "over":
      return "nothing";
  }
}

function decideIdle({ isClosing, waitedMs }: Waiting, limits: HttpTimeLimits): Overdue {
  return isClosing || waitedMs >= limits.downstreamIdleMs ? "leave" : "nothing";
}
