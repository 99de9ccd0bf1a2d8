/**
 * Why an exchange, or one side of it, ends without being complete. Codecs map it to what the other side sees: HTTP/1.1
 * resets the connection, HTTP/2 the stream, with a code.
 */
export type AbortReason =
  /** The peer's connection ended, or its side did inside a message. */
  | { readonly kind: "disconnected" }
  /** The peer reset this stream alone. */
  | { readonly kind: "reset"; readonly cause: ResetCause }
  /** The server did not process the request (RFC 9113 §8.7): it may be sent again, whatever its method. */
  | { readonly kind: "refused" }
  /** The peer sent what cannot be read as the rest of this message. `code`: the codec's, stable. */
  | { readonly kind: "malformed"; readonly code: string; readonly message: string }
  /**
   * `body`: the client was silent in the middle of a body; `route`: the time of the request's route, or of its call of
   * gRPC, is over; `idle`: nothing moved in either direction.
   */
  | { readonly kind: "time_limit"; readonly limit: "body" | "route" | "idle" }
  /** The exchange needs it no more: it failed on its other side, ended with a local reply, or is tried elsewhere. */
  | { readonly kind: "abandoned" }
  /** The proxy cuts the connection. `details`: why, for the access log. */
  | { readonly kind: "cut"; readonly details?: string };

/** What a reset says: the sender lost interest, is overloaded, or failed. */
export type ResetCause = "cancelled" | "overloaded" | "failed";

export const DISCONNECTED: AbortReason = { kind: "disconnected" };
export const ABANDONED: AbortReason = { kind: "abandoned" };
export const CUT: AbortReason = { kind: "cut" };

/** @param details why the proxy cuts a connection; `undefined`: it is not known here. */
export function cutBecause(details: string | undefined): AbortReason {
  return details === undefined ? CUT : { kind: "cut", details };
}
