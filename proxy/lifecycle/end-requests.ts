import type { Clock } from "../../mesh/runtime.ts";
import type { EndRequest } from "./decide-phase.ts";

/** How far a request goes; a later one can only go further. */
const REACH: Readonly<Record<EndRequest["kind"], number>> = { none: 0, drain: 1, stop: 2, quit: 2 };

/** The requests to end this proxy, by a signal or by a container of the pod. */
export class EndRequests {
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #begun = new AbortController();
  readonly #ending = new AbortController();
  #current: EndRequest = { kind: "none" };

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  get current(): EndRequest {
    return this.#current;
  }

  /** Aborted by the first request: the pod is ending. */
  get begun(): AbortSignal {
    return this.#begun.signal;
  }

  /** Aborted once the process has to end. */
  get ending(): AbortSignal {
    return this.#ending.signal;
  }

  /** The time counts from the first request. */
  add(kind: Exclude<EndRequest["kind"], "none">): void {
    if (REACH[kind] <= REACH[this.#current.kind]) return;
    const sinceMs = this.#current.kind === "none" ? this.#clock.monotonicMs() : this.#current.sinceMs;
    this.#current = { kind, sinceMs };
    this.#begun.abort();
    if (kind !== "drain") this.#ending.abort();
  }
}
