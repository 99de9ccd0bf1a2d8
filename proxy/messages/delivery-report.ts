/**
 * What a server's sidecar reports about a request for which its application gave no response. `undelivered`: the
 * application received nothing of it. `interrupted`: it may have received it.
 */
export type DeliveryOutcome = "undelivered" | "interrupted";

/**
 * A report as a response carries it, and as anybody behind the server could have written it: it counts only if it proves
 * that it comes from the other end of the connection (`connections/delivery-proof.ts`).
 */
export interface DeliveryReport {
  readonly outcome: DeliveryOutcome;
  /** 32 digits of hexadecimal. */
  readonly proof: string;
}

/** As a token of HTTP, in lower case: `undelivered-0123…`. */
export function formatDeliveryReport({ outcome, proof }: DeliveryReport): string {
  return `${outcome}-${proof}`;
}

const REPORT = /^(undelivered|interrupted)-([0-9a-f]{32})$/;

/** @returns `undefined`: it is none. */
export function parseDeliveryReport(text: string): DeliveryReport | undefined {
  const [, outcome, proof] = REPORT.exec(text) ?? [];
  if (proof === undefined) return undefined;
  return { outcome: outcome === "undelivered" ? "undelivered" : "interrupted", proof };
}
