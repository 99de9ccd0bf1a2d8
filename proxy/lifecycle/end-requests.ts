import type { Clock } from "../../mesh/runtime.ts";
import type { EndRequest } from "./decide-phase.ts";

/** `/drain`, SIGTERM and `/quitquitquit`. */
export type EndCommand = "drain" | "stop" | "quit";

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
  add(command: EndCommand): void {
    const sinceMs = this.#current.kind === "none" ? this.#clock.monotonicMs() : this.#current.sinceMs;
    const kind = nextKind(this.#current.kind, command);
    this.#current = { kind, sinceMs };
    this.#begun.abort();
    if (kind !== "drain") this.#ending.abort();
  }
}

/** A later request can only go further. Kubelet ends a native sidecar, which `/drain` comes from, after the application. */
function nextKind(current: EndRequest["kind"], command: EndCommand): Exclude<EndRequest["kind"], "none"> {
  switch (command) {
    case "drain":
      return current === "none" ? "drain" : current;
    case "stop":
      return current === "none" || current === "stop" ? "stop" : "application_ended";
    case "quit":
      return "application_ended";
  }
}
