import type { LocalReply } from "../../messages/local-reply.ts";
import type { ResponseSink } from "../upstream/upstream-stream.ts";

/** The owner of the request. It receives the upstream's response directly. */
export interface AttemptsOwner extends ResponseSink {
  /**
   * What has arrived of the request has been sent to an upstream. @param hasRoom whether more of its body may follow.
   */
  onSent(hasRoom: boolean): void;
  /** The last attempt failed; the client gets this local reply. */
  onLocalReply(reply: LocalReply): void;
  /** An attempt threw an exception. */
  onFault(caught: unknown): void;
}
