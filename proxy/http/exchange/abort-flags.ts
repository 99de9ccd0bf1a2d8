import type { AbortReason } from "../../messages/abort-reason.ts";
import type { RequestFlags } from "../../telemetry/request-meter.ts";

/** Istio's flags of a request whose client, or whose client's connection, failed. */
export function flagsOfClientLoss(reason: AbortReason): RequestFlags {
  switch (reason.kind) {
    case "malformed":
      return "DPE";
    case "time_limit":
      return "SI";
    case "cut":
      return "DO";
    case "reset":
      return "DR";
    case "disconnected":
    case "refused":
    case "abandoned":
      return "DC";
  }
}

/** Istio's flags of a response that broke off. */
export function flagsOfUpstreamLoss(reason: AbortReason): RequestFlags {
  switch (reason.kind) {
    case "malformed":
      return "UPE";
    case "reset":
    case "refused":
      return "UR";
    default:
      return "UC";
  }
}

/** Why the proxy has cut a connection, for the access log. */
export function detailsOf(reason: AbortReason): string {
  return reason.kind === "cut" ? (reason.details ?? "") : "";
}
