/**
 * The normalized form of hosts and patterns: lower case (RFC 4343), without a trailing dot, which names the same host
 * (RFC 1034, section 3.1). Idempotent.
 */
export function normalizeHost(host: string): string {
  const lowered = host.toLowerCase();
  return lowered.endsWith(".") && !lowered.endsWith("..") && lowered !== "." ? lowered.slice(0, -1) : lowered;
}

/** Whether a rule's host is a short name, which means a Service of the rule's namespace. */
export function isShortHost(host: string): boolean {
  return !host.includes(".") && !host.includes("*") && !host.includes(":");
}
