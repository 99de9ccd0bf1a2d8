import type { ApiAttempt } from "./request-route.ts";

/** What the test server does instead of responding as it should. */
export type Fault =
  | { readonly kind: "status"; readonly status: number; readonly reason: string; readonly retryAfterSeconds?: number }
  /** Responds as it should, but late. */
  | { readonly kind: "delay"; readonly delayMs: number }
  /** Responds as it should, as soon as this is settled. */
  | { readonly kind: "held"; readonly until: Promise<unknown> }
  /** Accepts the request and never responds. */
  | { readonly kind: "hang" }
  /** 200 with a page of HTML, as a captive portal does. */
  | { readonly kind: "garbage" }
  /** The first half of the right response, complete by HTTP's framing. */
  | { readonly kind: "half-json" }
  /** The first half of the right response, then the connection ends. */
  | { readonly kind: "cut" }
  /** A watch whose head arrives, and nothing else. */
  | { readonly kind: "silent-watch" };

/** The requests that a fault strikes: all that match every given field. */
export type FaultTarget = Partial<Pick<ApiAttempt, "verb" | "resource" | "namespace" | "name" | "user">>;

interface PlannedFault {
  readonly fault: Fault;
  readonly target: FaultTarget;
  left: number;
}

/** The faults that wait for their requests. */
export class FaultPlan {
  readonly #planned = new Set<PlannedFault>();

  /** Strikes the next `times` matching requests. Returns how to end it before. */
  add(fault: Fault, target: FaultTarget = {}, times: number = Number.POSITIVE_INFINITY): () => void {
    const planned = { fault, target, left: times };
    this.#planned.add(planned);
    return () => this.#planned.delete(planned);
  }

  clear(): void {
    this.#planned.clear();
  }

  /** The fault of a request, which is used up by it. */
  take(attempt: ApiAttempt): Fault | undefined {
    for (const planned of this.#planned) {
      if (!matches(planned.target, attempt)) continue;
      planned.left -= 1;
      if (planned.left <= 0) this.#planned.delete(planned);
      return planned.fault;
    }
    return undefined;
  }
}

function matches({ verb, resource, namespace, name, user }: FaultTarget, attempt: ApiAttempt): boolean {
  return (
    (verb === undefined || verb === attempt.verb) &&
    (resource === undefined || resource === attempt.resource) &&
    (namespace === undefined || namespace === attempt.namespace) &&
    (name === undefined || name === attempt.name) &&
    (user === undefined || user === attempt.user)
  );
}
