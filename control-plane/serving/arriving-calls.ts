import { constants, type ServerHttp2Stream } from "node:http2";

/** Calls whose request is incomplete. */
export interface ArrivingCalls {
  begin(stream: ServerHttp2Stream): void;
}

/**
 * Bounds the memory of incomplete requests: each holds headers and an unread message. Above the limit, the oldest calls
 * are ended. An honest request completes within milliseconds; one that is held open never does.
 */
export function limitArrivingCalls(maxCalls: number, onDisplaced: () => void): ArrivingCalls {
  /** Oldest first. */
  const arriving = new Set<ServerHttp2Stream>();
  let isCheckDue = false;
  const check = (): void => {
    isCheckDue = false;
    for (const stream of arriving) {
      if (arriving.size <= maxCalls) return;
      arriving.delete(stream);
      onDisplaced();
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      // What it has sent so far is freed at once, not when it is read.
      stream.destroy();
    }
  };
  return {
    begin: (stream) => {
      if (stream.destroyed) return;
      arriving.add(stream);
      const forget = (): void => void arriving.delete(stream);
      stream.once("end", forget);
      stream.once("close", forget);
      if (isCheckDue || arriving.size <= maxCalls) return;
      // Deferred: a reconnecting sidecar sends thousands of complete requests at once, and all begin before one ends.
      isCheckDue = true;
      setImmediate(check);
    },
  };
}
