import { GRPC_STATUS } from "../../../mesh/resources/fields/grpc-status-names.ts";
import type { AbortReason } from "../../messages/abort-reason.ts";
import type { LocalReply } from "../../messages/local-reply.ts";
import { flagsOfUpstreamLoss } from "./abort-flags.ts";

/**
 * To a request whose time is over: of its route, of its call or of its last attempt. A call of gRPC ends with the status
 * of its client's own deadline; Envoy sends UNAVAILABLE, which many clients retry.
 */
export function timeoutReply(what: string): LocalReply {
  const grpcStatus = GRPC_STATUS.DEADLINE_EXCEEDED;
  return { status: 504, grpcStatus, flags: "UT", details: `upstream timeout: ${what}` };
}

/** To a request in which nothing moves. As Envoy: 408 if the client was the one to go on. */
export function quietReply(isWhole: boolean): LocalReply {
  const details = "stream idle: nothing was sent in either direction for too long";
  return { status: isWhole ? 504 : 408, flags: "SI", details };
}

/** To a request whose upstream was lost before a response. */
export function lostReply(reason: AbortReason): LocalReply {
  const flags = flagsOfUpstreamLoss(reason);
  return { status: 503, flags, details: `upstream reset: ${describeLoss(reason)} before a response` };
}

function describeLoss(reason: AbortReason): string {
  switch (reason.kind) {
    case "reset":
    case "refused":
      return "the server reset the stream";
    case "cut":
      return `the proxy cut the connection (${reason.details ?? "it ends"})`;
    default:
      return "the connection ended";
  }
}

/**
 * Such a reply for the sidecar of a verified client, which may retry on another endpoint.
 * @param proof of the client's connection; `undefined`: its client gets no report.
 * @param deliveries how often the request was sent and may have been processed.
 */
export function reportDelivery(reply: LocalReply, proof: string | undefined, deliveries: number): LocalReply {
  if (proof === undefined) return reply;
  return { ...reply, report: { outcome: deliveries > 0 ? "interrupted" : "undelivered", proof } };
}
