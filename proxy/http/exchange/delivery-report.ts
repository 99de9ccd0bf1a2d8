import type { ResponseHead } from "../../http1/message-head.ts";

/**
 * What a server's sidecar reports about a request for which its application gave no response. `undelivered`: the
 * application received nothing of it. `interrupted`: it may have received it.
 */
export type DeliveryReport = "undelivered" | "interrupted";

/**
 * An option of `Connection` concerns one hop alone: every proxy removes it (RFC 9110 §7.6.1). So no application behind a
 * sidecar can send one, or hand on another server's.
 */
const OPTIONS: Readonly<Record<DeliveryReport, string>> = {
  undelivered: "entente-undelivered",
  interrupted: "entente-interrupted",
};

/** The field line. */
export function formatDeliveryReport(report: DeliveryReport): string {
  return `connection: ${OPTIONS[report]}\r\n`;
}

/** The report in a response of a server's sidecar; `undefined`: none. */
export function readDeliveryReport({ status, connectionTokens }: ResponseHead): DeliveryReport | undefined {
  if (status !== 503 || connectionTokens.length === 0) return undefined;
  if (connectionTokens.includes(OPTIONS.undelivered)) return "undelivered";
  return connectionTokens.includes(OPTIONS.interrupted) ? "interrupted" : undefined;
}
