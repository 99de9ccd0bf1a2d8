/** The words of `retries.retryOn` that Istio accepts: Envoy's conditions for HTTP, then those for gRPC. */
const RETRY_WORDS: ReadonlySet<string> = new Set([
  "5xx",
  "gateway-error",
  "reset",
  "reset-before-request",
  "connect-failure",
  "retriable-4xx",
  "refused-stream",
  "retriable-status-codes",
  "retriable-headers",
  "envoy-ratelimited",
  "http3-post-connect-failure",
  "cancelled",
  "deadline-exceeded",
  "internal",
  "resource-exhausted",
  "unavailable",
]);

/** The words of a list such as `connect-failure, 503`, in lower case. */
export function splitRetryOn(text: string): readonly string[] {
  return text
    .split(",")
    .map((word) => word.trim().toLowerCase())
    .filter((word) => word !== "");
}

export function isRetryStatus(word: string): boolean {
  return /^[1-5]\d\d$/.test(word);
}

/** The words that Istio refuses: no condition of Envoy, and no HTTP status. */
export function findUnknownRetryWords(text: string): readonly string[] {
  return splitRetryOn(text).filter((word) => !RETRY_WORDS.has(word) && !isRetryStatus(word));
}
