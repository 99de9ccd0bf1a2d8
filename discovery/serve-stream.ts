import { Code, ConnectError } from "@connectrpc/connect";
import { formatCaller, type VerifiedPeer } from "../mesh/api/peer-context.ts";
import type { Clock } from "../mesh/runtime.ts";
import { startWallTimer } from "../net/wall-timer.ts";
import { certificateExpired } from "./admit-caller.ts";
import { LatestValue } from "./latest-value.ts";
import type { Answer, MeshView, Outcome, Subscriptions } from "./subscriptions.ts";
import type { UnreadBytes } from "./unread-bytes.ts";

export interface StreamContext {
  readonly clock: Clock;
  readonly caller: VerifiedPeer;
  /** Shared by all streams: bounds what callers have not read. */
  readonly unread: UnreadBytes;
  /** Aborts when the call is over, on either side. */
  readonly call: AbortSignal;
  /** Aborts when the control plane goes away. */
  readonly shutdown: AbortSignal;
}

/**
 * The answers of one stream, the present one first. Ends in silence with the call, with Unavailable when the control
 * plane stops, with Unauthenticated when the certificate that the caller showed has ended, and when it is denied.
 */
export async function* serveStream<Message>(
  subscriptions: Subscriptions,
  evaluate: (view: MeshView) => Outcome<Message>,
  { clock, caller, unread, call, shutdown }: StreamContext,
): AsyncGenerator<Message, void> {
  const latest = new LatestValue<Answer<Message>>();
  const onCallOver = (): void => latest.end();
  const onShutdown = (): void => latest.end(new ConnectError("the control plane is stopping", Code.Unavailable));
  if (shutdown.aborted) onShutdown();
  if (call.aborted) onCallOver();
  call.addEventListener("abort", onCallOver, { once: true });
  shutdown.addEventListener("abort", onShutdown, { once: true });
  const expiry = startWallTimer(clock, caller.notAfterMs, () => latest.end(certificateExpired(caller, clock.now())));
  let remove: (() => void) | undefined;
  try {
    remove = subscriptions.add<Message>({
      evaluate,
      onAnswer: (answer) => latest.set(answer),
      onDenied: (error) => latest.end(error),
    });
    for await (const { message, bytes } of latest) {
      const sent = await unread.take(formatCaller(caller), bytes, call);
      try {
        yield message;
      } finally {
        sent();
      }
    }
  } finally {
    remove?.();
    expiry.cancel();
    call.removeEventListener("abort", onCallOver);
    shutdown.removeEventListener("abort", onShutdown);
  }
}
