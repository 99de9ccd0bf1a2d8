import type { RequestHead, ResponseHead } from "../messages/message-head.ts";
import type { TextFields } from "../messages/text-fields.ts";

/** What an HTTP/1.x head contains besides the message: it concerns the connection. */
export interface Http1Head {
  readonly version: "1.1" | "1.0";
  readonly fields: TextFields;
  /** Whether the connection persists after this message (RFC 9112 §9.3). */
  readonly keepAlive: boolean;
}

export interface Http1RequestHead extends RequestHead, Http1Head {
  readonly version: "1.1" | "1.0";
  readonly fields: TextFields;
}

export interface Http1ResponseHead extends ResponseHead, Http1Head {
  readonly version: "1.1" | "1.0";
  readonly fields: TextFields;
  /** The seconds of `Keep-Alive: timeout=N`, if present: the server closes an idle connection after that. */
  readonly idleSeconds: number | undefined;
}
