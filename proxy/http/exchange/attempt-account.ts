import type { TriedEndpoints } from "../pool/upstream-pool.ts";
import type { AttemptFailure } from "./attempt-failure.ts";
import { decideRetry, isRetryLimitExceeded, type RetryInput } from "./decide-retry.ts";

/** What a retry is decided by, beside the failure and the attempts before. */
export type RetriedRequest = Omit<RetryInput, "failure" | "attempt">;

/** What has become of a request's attempts. */
export class AttemptAccount {
  #count = 0;
  #deliveries = 0;
  #tried: TriedEndpoints | undefined;
  #isLimitExceeded = false;

  /** The number of the current attempt; the first one is 1. */
  get count(): number {
    return this.#count;
  }

  /** How often the request was sent and may have been processed. */
  get deliveries(): number {
    return this.#deliveries;
  }

  /** The keys of endpoints whose applications gave no response. */
  get tried(): TriedEndpoints | undefined {
    return this.#tried;
  }

  /** Whether the last attempt would have been retried, but for the retry limit. */
  get isLimitExceeded(): boolean {
    return this.#isLimitExceeded;
  }

  noteAttempt(): void {
    this.#count += 1;
  }

  noteDelivery(): void {
    this.#deliveries += 1;
  }

  /** The server has refused it unprocessed. */
  noteUnprocessed(): void {
    this.#deliveries -= 1;
  }

  /** @returns all that were tried */
  noteTried(endpoint: string): TriedEndpoints {
    this.#tried = (this.#tried ?? new Set<string>()).add(endpoint);
    return this.#tried;
  }

  /** Whether the request may be sent again after a failure. */
  mayRetry(failure: AttemptFailure, request: RetriedRequest): boolean {
    const input = { ...request, failure, attempt: this.#count };
    if (decideRetry(input)) return true;
    this.#isLimitExceeded = isRetryLimitExceeded(input);
    return false;
  }
}
