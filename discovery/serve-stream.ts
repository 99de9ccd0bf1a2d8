import { Code, ConnectError } from "@connectrpc/connect";
import type { Clock } from "../mesh/runtime.ts";
import { type Caller, certificateExpired } from "./admit-caller.ts";
import { LatestValue } from "./latest-value.ts";
import type { MeshView, Outcome, Subscriptions } from "./subscriptions.ts";
import { startWallTimer } from "./wall-timer.ts";

export interface StreamEnds {
  readonly clock: Clock;
  readonly caller: Caller;
  /** Aborts when the call is over, whoever ended it. */
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
  { clock, caller, call, shutdown }: StreamEnds,
): AsyncGenerator<Message, void> {
  const latest = new LatestValue<Message>();
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
      onAnswer: (message) => latest.set(message),
      onDenied: (error) => latest.end(error),
    });
    yield* latest;
  } finally {
    remove?.();
    expiry.cancel();
    call.removeEventListener("abort", onCallOver);
    shutdown.removeEventListener("abort", onShutdown);
  }
}
