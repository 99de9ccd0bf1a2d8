import { Code, ConnectError } from "@connectrpc/connect";
import { formatCaller, type VerifiedPeer } from "../mesh/api/peer-context.ts";
import type { Clock } from "../mesh/runtime.ts";
import { startWallTimer } from "../net/wall-timer.ts";
import { certificateExpired } from "./admit-caller.ts";
import { LatestValue } from "./latest-value.ts";
import type { MeshView, Outcome, StreamResponse, Subscriptions } from "./subscriptions.ts";
import type { UnreadBytes } from "./unread-bytes.ts";

export interface StreamContext {
  readonly clock: Clock;
  readonly caller: VerifiedPeer;
  /** Shared by all streams: limits the bytes that callers have not read. */
  readonly unread: UnreadBytes;
  /** Aborts when the call ends, from either side. */
  readonly call: AbortSignal;
  /** Aborts when the control plane stops. */
  readonly shutdown: AbortSignal;
}

/**
 * The responses of one stream, starting with the current state. Ends normally with the call, with Unavailable when the
 * control plane stops, with Unauthenticated when the caller's certificate expires, and with the error when access is
 * denied.
 */
export async function* serveStream<Message>(
  subscriptions: Subscriptions,
  evaluate: (view: MeshView) => Outcome<Message>,
  { clock, caller, unread, call, shutdown }: StreamContext,
): AsyncGenerator<Message, void> {
  const latest = new LatestValue<StreamResponse<Message>>();
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
      onResponse: (response) => latest.set(response),
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
