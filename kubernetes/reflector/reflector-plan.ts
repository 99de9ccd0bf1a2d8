import type { Random } from "../../mesh/runtime.ts";
import type { KubernetesApiError } from "../kubernetes-api-error.ts";

/** What a reflector does next, after a pause. */
export type Plan =
  | { readonly kind: "list"; readonly afterMs: number }
  /** From a list's version on. */
  | { readonly kind: "watch"; readonly afterMs: number; readonly resourceVersion: string }
  /** From the last seen version on, if the server still knows it. */
  | { readonly kind: "resume"; readonly afterMs: number; readonly resourceVersion: string };

/** How a list or watch ended. */
export type Outcome =
  | { readonly kind: "listed"; readonly resourceVersion: string }
  /** By the server or at the end of its time, as watches do. */
  | { readonly kind: "watch-ended"; readonly resourceVersion: string; readonly heldMs: number }
  /** After it was open. */
  | { readonly kind: "watch-lost"; readonly resourceVersion: string; readonly why: "silent" | "cut" | "backwards" }
  | { readonly kind: "watch-refused"; readonly resourceVersion: string; readonly error: KubernetesApiError }
  | { readonly kind: "list-refused"; readonly error: KubernetesApiError };

/** What happened before. */
export interface History {
  /** Outcomes in a row without progress. */
  readonly failures: number;
  readonly listAgeMs: number;
  /** When the next full list is due. */
  readonly resyncMs: number;
}

/** A watch that ends sooner is a fault, and not repeated at once. */
const SHORT_WATCH_MS = 1000;

const FIRST_BACKOFF_MS = 1000;
const MAX_BACKOFF_MS = 30_000;

/** For what only an administrator changes: a missing right, a missing CRD. */
const SLOW_RETRY_MS = { forbidden: 30_000, absent: 10_000 } as const;

/**
 * How long a watch may be silent. API servers send a bookmark a minute, but none for a kind that has not changed since
 * they started. So each silence after which a list showed no difference doubles the limit, up to the watch's own time.
 */
export function silenceLimit(silenceMs: number, quietWatches: number): number {
  return silenceMs * 2 ** Math.min(quietWatches, MAX_DOUBLINGS);
}

/** From 150 s to 20 minutes: no watch is that long. */
const MAX_DOUBLINGS = 3;

/** Counts an outcome. A complete list is no progress: a server can list and refuse every watch. */
export function historyAfter<Known extends Pick<History, "failures">>(history: Known, outcome: Outcome): Known {
  const failed = { ...history, failures: history.failures + 1 };
  switch (outcome.kind) {
    case "listed":
      return history;
    case "watch-ended":
      return outcome.heldMs < SHORT_WATCH_MS ? failed : { ...history, failures: 0 };
    case "watch-lost":
    case "watch-refused":
    case "list-refused":
      return failed;
  }
}

/** Decides what follows an outcome. The last state stays in force meanwhile, whatever it is. */
export function decidePlan(outcome: Outcome, history: History, random: Random): Plan {
  switch (outcome.kind) {
    case "listed":
      return { kind: "watch", afterMs: 0, resourceVersion: outcome.resourceVersion };
    case "watch-ended":
      return planAfterWatch(outcome, history, outcome.heldMs < SHORT_WATCH_MS ? backoff(history, random) : 0);
    case "watch-lost":
      return planAfterLoss(outcome, history, random);
    case "watch-refused":
      return planAfterRefusal(outcome, history, random);
    case "list-refused":
      return { kind: "list", afterMs: waitAfter(outcome.error, history, random) };
  }
}

function planAfterWatch(
  { resourceVersion }: { readonly resourceVersion: string },
  history: History,
  afterMs: number,
): Plan {
  if (history.listAgeMs >= history.resyncMs) return { kind: "list", afterMs };
  return { kind: "resume", afterMs, resourceVersion };
}

/**
 * A cut watch is resumed at once: that happens whenever an API server or a load balancer restarts. After silence, or
 * from a version that the server does not have yet, only a list shows what has happened.
 */
function planAfterLoss(
  outcome: Extract<Outcome, { readonly kind: "watch-lost" }>,
  history: History,
  random: Random,
): Plan {
  const afterMs = history.failures > 1 ? backoff(history, random) : 0;
  return outcome.why === "cut" ? planAfterWatch(outcome, history, afterMs) : { kind: "list", afterMs };
}

/**
 * A server that was away may have been restored from a backup, where our version does not exist yet: it would accept
 * the watch and send nothing. So only a server that limits its load gets the same watch again.
 */
function planAfterRefusal(
  { error, resourceVersion }: Extract<Outcome, { readonly kind: "watch-refused" }>,
  history: History,
  random: Random,
): Plan {
  const isExpired = error.status === 410 && history.failures <= 1;
  const afterMs = isExpired ? 0 : waitAfter(error, history, random);
  return error.status === 429 ? { kind: "resume", afterMs, resourceVersion } : { kind: "list", afterMs };
}

function waitAfter(error: KubernetesApiError, history: History, random: Random): number {
  if (error.status === 403) return SLOW_RETRY_MS.forbidden * (1 + random());
  if (error.status === 404) return SLOW_RETRY_MS.absent * (1 + random() / 2);
  return Math.max(backoff(history, random), error.retryAfterMs ?? 0);
}

/** Exponential with full jitter, so that clients that lost a server together do not come back together. */
function backoff({ failures }: History, random: Random): number {
  return random() * Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures, 10));
}

/**
 * Whether a version is older than one seen before, which only a restored backup explains. A hint for a new list and
 * nothing more: versions are opaque, so nothing is dropped for its order.
 */
export function isBackwards(previous: string, next: string): boolean {
  const isNumber = /^\d{1,30}$/;
  return isNumber.test(previous) && isNumber.test(next) && BigInt(next) < BigInt(previous);
}
