import type { Clock, Timer } from "../../mesh/runtime.ts";
import { afterInput } from "../../net/after-input.ts";

export interface KeepaliveLimits {
  /** Between pings of a connection. */
  readonly pingIntervalMs: number;
  /** How long the response to a ping may take. */
  readonly pingTimeoutMs: number;
}

/** A session of HTTP/2, as far as it is pinged. */
export interface PingedSession {
  readonly destroyed: boolean;
  readonly closed: boolean;
  ping(onResponse: (error: Error | null) => void): boolean;
}

/**
 * Pings a connection, and calls `onDead` once if a response does not come in time: a proxy whose node has vanished
 * closes nothing, and its subscriptions would be evaluated for as long as its certificate is valid. Returns the function
 * that stops it.
 */
export function startKeepalive(
  session: PingedSession,
  { pingIntervalMs, pingTimeoutMs }: KeepaliveLimits,
  { clock, onDead }: { readonly clock: Clock; readonly onDead: () => void },
): () => void {
  let timer: Timer | undefined;
  const pingLater = (): void => {
    timer = clock.setTimeout(ping, pingIntervalMs);
  };
  const ping = (): void => {
    if (session.destroyed || session.closed) return;
    timer = afterInput(clock, onDead, pingTimeoutMs);
    session.ping((error) => {
      if (error !== null) return;
      timer?.cancel();
      pingLater();
    });
  };
  pingLater();
  return () => timer?.cancel();
}
