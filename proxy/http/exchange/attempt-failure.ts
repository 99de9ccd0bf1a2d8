import type { GrpcStatus } from "../../../mesh/resources/fields/grpc-status-names.ts";
import type { AbortReason } from "../../messages/abort-reason.ts";
import type { DeliveryOutcome } from "../../messages/delivery-report.ts";
import type { RequestEdits } from "../../messages/edits/head-edits.ts";
import type { ResponseHead } from "../../messages/message-head.ts";
import { type GrpcCall, trailersOnlyStatus } from "../grpc/grpc-call.ts";
import type { DialFailureCause } from "../pool/dial-failure.ts";
import type { RetryPolicy } from "./retry-policy.ts";

/** How an attempt failed. */
export type AttemptFailure =
  /** No connection could be made. `isRefused`: every endpoint refused it at once, so that nothing was spent. */
  | { readonly kind: "connect"; readonly isRefused: boolean }
  /** The connection ended before any byte of a response. */
  | { readonly kind: "reset"; readonly wasReused: boolean }
  | { readonly kind: "per_try_timeout" }
  /** The server did not process it, as it has said: too many streams, or a connection that ends. */
  | { readonly kind: "refused" }
  /** The endpoint's sidecar has reported that its application gave no response. */
  | { readonly kind: DeliveryOutcome }
  | { readonly kind: "status"; readonly status: number }
  | { readonly kind: "grpc_status"; readonly status: GrpcStatus };

/** A dial that took longer was not refused: the host did not respond. */
const REFUSED_WITHIN_MS = 1000;

/**
 * Of an attempt that got no connection. An inbound side reports a refusal instead: the client's sidecar knows other
 * endpoints. @param tookMs from the begin of the dial.
 */
export function failureOfDial(cause: DialFailureCause, hop: RequestEdits["hop"], tookMs: number): AttemptFailure {
  return { kind: "connect", isRefused: cause === "connect" && hop === "outbound" && tookMs < REFUSED_WITHIN_MS };
}

/** Of an attempt whose stream was lost before a response. @param isReused its connection had served a request. */
export function failureOfLoss(reason: AbortReason, isReused: boolean): AttemptFailure {
  return reason.kind === "refused" ? reason : { kind: "reset", wasReused: isReused && reason.kind !== "reset" };
}

/** Of an attempt with a response that the policy does not accept. @param call of gRPC, if it is one. */
export function failureOfResponse(
  head: ResponseHead,
  call: GrpcCall | undefined,
  policy: RetryPolicy | undefined,
): AttemptFailure | undefined {
  if (policy === undefined) return undefined;
  const { status } = head;
  if (policy.onStatus(status)) return { kind: "status", status };
  const ended = call === undefined ? undefined : trailersOnlyStatus(head);
  return ended !== undefined && policy.onGrpcStatus(ended) ? { kind: "grpc_status", status: ended } : undefined;
}
