import { constants, type ServerHttp2Stream } from "node:http2";
import type { Clock } from "../../mesh/runtime.ts";
import { refuseCall } from "./grpc-handler.ts";

export interface RefusalLimits {
  /** How long the response to a refused call is delayed. Otherwise a caller that retries at once would never pause. */
  readonly refusalDelayMs: number;
  /** Delayed refusals of one caller; one more ends its connection. */
  readonly maxDelayedRefusals: number;
}

/** Refuses calls after a pause. A waiting call costs neither processor time nor memory for its message. */
export function createDelayedRefusals(
  { refusalDelayMs, maxDelayedRefusals }: RefusalLimits,
  clock: Clock,
): (caller: string, stream: ServerHttp2Stream) => void {
  const waiting = new Map<string, number>();
  return (caller, stream) => {
    if (stream.destroyed) return;
    stream.on("error", () => undefined);
    const count = waiting.get(caller) ?? 0;
    if (count >= maxDelayedRefusals) {
      stream.session?.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
      return;
    }
    waiting.set(caller, count + 1);
    const timer = clock.setTimeout(() => refuseCall(stream), refusalDelayMs);
    stream.once("close", () => {
      timer.cancel();
      const left = (waiting.get(caller) ?? 1) - 1;
      if (left > 0) waiting.set(caller, left);
      else waiting.delete(caller);
    });
    // The rest of the request is discarded.
    stream.resume();
  };
}
