import { constants, type ServerHttp2Stream } from "node:http2";

/** The calls whose request has not come to its end. */
export interface ArrivingCalls {
  begin(stream: ServerHttp2Stream): void;
}

/**
 * Bounds the memory of requests on their way: each holds headers and a message that has not been read. Calls too
 * many end those that began first; an honest request is here within milliseconds, one that is held open never is.
 */
export function limitArrivingCalls(maxCalls: number, onDisplaced: () => void): ArrivingCalls {
  /** In the order of their beginning. */
  const arriving = new Set<ServerHttp2Stream>();
  let isCheckDue = false;
  const check = (): void => {
    isCheckDue = false;
    for (const stream of arriving) {
      if (arriving.size <= maxCalls) return;
      arriving.delete(stream);
      onDisplaced();
      stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
      // What it has sent so far is given up at once, not when it is read.
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
      // Not now: a sidecar that comes back sends thousands of whole requests at once, and all begin before one ends.
      isCheckDue = true;
      setImmediate(check);
    },
  };
}
