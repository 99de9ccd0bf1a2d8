import { constants, type ServerHttp2Stream } from "node:http2";
import type { Clock } from "../mesh/runtime.ts";
import { refuseCall } from "./grpc-handler.ts";

export interface RefusalLimits {
  /** How long a refused call waits for its response: a caller that calls again at once would otherwise never pause. */
  readonly refusalDelayMs: number;
  /** Refused calls of one caller that wait; one more ends its connection. */
  readonly maxDelayedRefusals: number;
}

/** Refuses calls after a pause, in which they cost neither processor time nor the memory of their messages. */
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
    // What the request still brings is discarded.
    stream.resume();
  };
}
