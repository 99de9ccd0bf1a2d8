import { Code, ConnectError } from "@connectrpc/connect";

/** Limits on what callers can make the control plane keep and do. */
export interface StreamLimits {
  /**
   * Streams of one caller, as by `formatCaller`, for one pod; one more ends the oldest. A proxy has two while it moves to a
   * new connection; of more, the oldest has lost its proxy. @default 4
   */
  readonly perPod: number;
  /** Streams of one caller, whichever pods it names. @default 64 */
  readonly perCaller: number;
  /** Streams for all pods of one identity that the mesh does not know. @default 512 */
  readonly waitingPerIdentity: number;
  /** Subscriptions of one stream; one for an address outside the mesh uses about 2 KB. @default 8192 */
  readonly subscriptionsPerStream: number;
  /** Of all streams of one caller: a proxy that moves to a new connection has two. About 40 MB. @default 16384 */
  readonly subscriptionsPerCaller: number;
  /** Requests and subscriptions that one caller may send at once; a proxy that reconnects repeats all. @default 16384 */
  readonly requestBurst: number;
  /** The same per second, sustained. What exceeds it is read later. @default 500 */
  readonly requestsPerSecond: number;
  /** How long a stream may be open before it names its pod. @default 10000 */
  readonly firstRequestMs: number;
  /** Bytes of responses that one caller has not read yet; further responses wait. @default 16 MiB */
  readonly unreadBytesPerCaller: number;
}

export const DEFAULT_STREAM_LIMITS: StreamLimits = {
  perPod: 4,
  perCaller: 64,
  waitingPerIdentity: 512,
  subscriptionsPerStream: 8192,
  subscriptionsPerCaller: 16_384,
  requestBurst: 16_384,
  requestsPerSecond: 500,
  firstRequestMs: 10_000,
  unreadBytesPerCaller: 16 * 1024 * 1024,
};

/** Counts by key and refuses beyond a limit; drops keys whose count is zero. */
export class StreamCounter {
  readonly #counts = new Map<string, number>();

  /** Whether there was room for one more. */
  add(key: string, limit: number): boolean {
    const count = this.#counts.get(key) ?? 0;
    if (count >= limit) return false;
    this.#counts.set(key, count + 1);
    return true;
  }

  remove(key: string): void {
    const left = (this.#counts.get(key) ?? 1) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }

  /** Returns the function that releases the slot. Throws ResourceExhausted, on which clients retry later. */
  take(key: string, limit: number): () => void {
    if (!this.add(key, limit)) {
      throw new ConnectError(`${key} has ${limit} open streams, which is the limit`, Code.ResourceExhausted);
    }
    let isTaken = true;
    return () => {
      if (isTaken) this.remove(key);
      isTaken = false;
    };
  }
}
