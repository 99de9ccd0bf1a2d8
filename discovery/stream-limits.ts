import { Code, ConnectError } from "@connectrpc/connect";

/** Limits on the resources that callers can use. An open stream costs up to 100 KB of memory. */
export interface StreamLimits {
  /**
   * For one pod. A sidecar opens fewer than 460, and twice as many while it moves to a new connection.
   * @default 1024
   */
  readonly perPod: number;
  /** For one identity at one address, whichever pods it names. @default 1024 */
  readonly perCaller: number;
  /** For all pods of one identity that the mesh does not know. @default 512 */
  readonly waitingPerIdentity: number;
  /** Trust bundle streams of one identity, which may have many pods. @default 4096 */
  readonly bundlesPerIdentity: number;
  /** Of these, for one address. @default 128 */
  readonly bundlesPerCaller: number;
  /** Bytes of responses that one caller has not read yet; further responses wait. @default 16 MiB */
  readonly unreadBytesPerCaller: number;
}

export const DEFAULT_STREAM_LIMITS: StreamLimits = {
  perPod: 1024,
  perCaller: 1024,
  waitingPerIdentity: 512,
  bundlesPerIdentity: 4096,
  bundlesPerCaller: 128,
  unreadBytesPerCaller: 16 * 1024 * 1024,
};

/** Counts by key and refuses beyond a limit; drops keys whose count is zero. */
export class StreamCounter {
  readonly #counts = new Map<string, number>();

  /** Returns the function that releases the slot. Throws ResourceExhausted, on which clients retry later. */
  take(key: string, limit: number): () => void {
    const count = this.#counts.get(key) ?? 0;
    if (count >= limit) {
      throw new ConnectError(`${key} has ${count} open streams, which is the limit`, Code.ResourceExhausted);
    }
    this.#counts.set(key, count + 1);
    let isTaken = true;
    return () => {
      if (!isTaken) return;
      isTaken = false;
      const left = (this.#counts.get(key) ?? 1) - 1;
      if (left > 0) this.#counts.set(key, left);
      else this.#counts.delete(key);
    };
  }
}
