import koffi from "koffi";
import type { Clock, Logger, Timer } from "../mesh/runtime.ts";

export interface MemoryReleaseOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** @default those of this process */
  readonly countConnections?: () => number;
  /** @default `createMemoryReleaser` */
  readonly release?: () => void;
}

/** How often connections are counted. */
const INTERVAL_MS = 10_000;
/** Fewer closed connections than this are not worth the pause. */
const MIN_CLOSED = 200;

/**
 * Returns memory to the system after a peak of connections, 10 to 20 s after most of them have been closed. This does
 * not happen by itself: an idle process collects no garbage, and glibc only returns free memory at the end of its heap,
 * where some small block is always in use. Measured with `bench/measure-memory-release.ts`.
 */
export function startMemoryRelease(options: MemoryReleaseOptions): { stop(): void } {
  const { clock, log, countConnections = countSockets, release = createMemoryReleaser() } = options;
  const peak = new ConnectionPeak();
  let timer: Timer;
  const look = (): void => {
    if (peak.isOver(countConnections())) {
      const beforeMs = clock.monotonicMs();
      release();
      log.debug(
        { code: "memory_released", ms: Math.round(clock.monotonicMs() - beforeMs) },
        "unused memory was released",
      );
    }
    timer = clock.setTimeout(look, INTERVAL_MS);
  };
  timer = clock.setTimeout(look, INTERVAL_MS);
  return { stop: () => timer.cancel() };
}

/** Whether a peak of connections is over: at least half of them and MIN_CLOSED are closed, at two counts in a row. */
export class ConnectionPeak {
  #highest = 0;
  #wasLow = false;

  /** Returns true once for each peak. */
  isOver(open: number): boolean {
    this.#highest = Math.max(this.#highest, open);
    const isLow = open <= this.#highest / 2 && this.#highest - open >= MIN_CLOSED;
    const isOver = isLow && this.#wasLow;
    this.#wasLow = isLow && !isOver;
    if (isOver) this.#highest = open;
    return isOver;
  }
}

/** The TCP connections of this process. */
export function countSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
}

/**
 * Collects garbage, if Node was started with `--expose-gc`, in the mode in which V8 also releases pages that it could
 * reuse. Then glibc returns every free page (malloc_trim(3)). This takes about 10 ms per 100 MB.
 */
function createMemoryReleaser(): () => void {
  const trim = loadMallocTrim();
  return () => {
    globalThis.gc?.({ type: "major", execution: "sync", flavor: "last-resort" });
    trim?.();
  };
}

/** `undefined` if the C library lacks the function. */
function loadMallocTrim(): (() => void) | undefined {
  try {
    const mallocTrim = koffi.load("libc.so.6").func("int malloc_trim(size_t pad)");
    return () => void mallocTrim(0);
  } catch {
    return undefined;
  }
}
