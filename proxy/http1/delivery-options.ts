import { type DeliveryReport, formatDeliveryReport, parseDeliveryReport } from "../messages/delivery-report.ts";
import type { Field } from "../messages/field-access.ts";

/**
 * A report goes as an option of `Connection`, which concerns one hop alone: every proxy of HTTP removes it (RFC 9110
 * §7.6.1). A proxy that relays bytes does not, so a report counts only with its proof.
 */
const PREFIX = "entente-";

/** The field that carries a report. */
export function deliveryField(report: DeliveryReport): Field {
  return { name: "connection", value: PREFIX + formatDeliveryReport(report) };
}

/** The report in a response of a server's sidecar; `undefined`: none. @param options those of `Connection`. */
export function readDeliveryReport(status: number, options: readonly string[]): DeliveryReport | undefined {
  if (status !== 503) return undefined;
  const option = options.find((name) => name.startsWith(PREFIX));
  return option === undefined ? undefined : parseDeliveryReport(option.slice(PREFIX.length));
}
