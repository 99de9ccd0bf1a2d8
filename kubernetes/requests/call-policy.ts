import type { Random } from "../../mesh/runtime.ts";
import type { KubernetesApiError } from "../kubernetes-api-error.ts";

/** What is known when an attempt of a call has failed. */
export interface FailedAttempt {
  /** Attempts so far, this one included. */
  readonly attempts: number;
  /** Whether the call may take effect twice without harm. */
  readonly isIdempotent: boolean;
  readonly error: KubernetesApiError;
  /** Until the call's time limit. */
  readonly leftMs: number;
}

const MAX_ATTEMPTS = 4;

/** For a cut connection: it was probably a kept one that the server had closed. */
const RECONNECT_MS = 250;

/** For 429 and 503 without Retry-After: doubled for each attempt. */
const DEFAULT_WAIT_MS = 1000;

/** When to try again, in milliseconds; undefined: the caller receives the error. */
export function decideRetry(
  { attempts, isIdempotent, error, leftMs }: FailedAttempt,
  random: Random,
): number | undefined {
  if (attempts >= MAX_ATTEMPTS) return undefined;
  const waitMs = waitFor(error, { attempts, isIdempotent, random });
  return waitMs === undefined || waitMs >= leftMs ? undefined : waitMs;
}

interface WaitContext {
  readonly attempts: number;
  readonly isIdempotent: boolean;
  readonly random: Random;
}

function waitFor(error: KubernetesApiError, { attempts, isIdempotent, random }: WaitContext): number | undefined {
  if (error.code === "api_unreachable") return isIdempotent && attempts === 1 ? random() * RECONNECT_MS : undefined;
  if (error.code !== "api_refused") return undefined;
  // A server that limits its load (API Priority and Fairness) has done nothing for the call yet.
  const isRetried = error.status === 429 || (error.status === 503 && isIdempotent);
  if (!isRetried) return undefined;
  // The server's time is the earliest; the callers that it refused together should not come back together.
  const baseMs = error.retryAfterMs ?? DEFAULT_WAIT_MS * 2 ** (attempts - 1);
  return baseMs * (1 + random() / 2);
}
