import type { DeliveryReport } from "../messages/delivery-report.ts";
import type { Field } from "../messages/field-access.ts";

/**
 * A report goes as an option of `Connection`, which concerns one hop alone: every proxy removes it (RFC 9110 §7.6.1). So
 * no application behind a sidecar can send one, or hand on another server's.
 */
const OPTIONS: Readonly<Record<DeliveryReport, string>> = {
  undelivered: "entente-undelivered",
  interrupted: "entente-interrupted",
};

/** The field that carries a report. */
export function deliveryField(report: DeliveryReport): Field {
  return { name: "connection", value: OPTIONS[report] };
}

/** The report in a response of a server's sidecar; `undefined`: none. @param options those of `Connection`. */
export function readDeliveryReport(status: number, options: readonly string[]): DeliveryReport | undefined {
  if (status !== 503 || options.length === 0) return undefined;
  if (options.includes(OPTIONS.undelivered)) return "undelivered";
  return options.includes(OPTIONS.interrupted) ? "interrupted" : undefined;
}
