import { type DeliveryReport, formatDeliveryReport } from "../../messages/delivery-report.ts";
import type { Field } from "../../messages/field-access.ts";

/**
 * Carries a report between two sidecars. HTTP/2 has no options of a connection, so it is a field. Neither role forwards
 * one. Other proxies do, so a report counts only with its proof.
 */
export const DELIVERY_FIELD = "x-entente-delivery";

/** The field that carries a report. */
export function deliveryField(report: DeliveryReport): Field {
  return { name: DELIVERY_FIELD, value: formatDeliveryReport(report) };
}
