import { Code, ConnectError } from "@connectrpc/connect";

/** What callers may hold of the control plane. An open stream costs up to 100 KB of its memory. */
export interface StreamLimits {
  /**
   * For one pod. A sidecar opens fewer than 240, and twice as many while it moves to a new connection.
   * @default 512
   */
  readonly perPod: number;
  /** For one identity at one address, whichever pods it names. @default 1024 */
  readonly perCaller: number;
  /** For all pods of one identity that the mesh does not know (yet). @default 512 */
  readonly waitingPerIdentity: number;
  /** Streams of the trust bundle for one identity, whose pods may be many. @default 4096 */
  readonly bundlesPerIdentity: number;
  /** Of these, for one address. @default 128 */
  readonly bundlesPerCaller: number;
  /** Bytes of answers that one caller has not read yet; what exceeds them waits. @default 16 MiB */
  readonly unreadBytesPerCaller: number;
}

export const DEFAULT_STREAM_LIMITS: StreamLimits = {
  perPod: 512,
  perCaller: 1024,
  waitingPerIdentity: 512,
  bundlesPerIdentity: 4096,
  bundlesPerCaller: 128,
  unreadBytesPerCaller: 16 * 1024 * 1024,
};

/** Counts by key and refuses beyond a limit; forgets a key whose count is zero. */
export class StreamCounter {
  readonly #counts = new Map<string, number>();

  /** Returns how to give the place back. Throws ResourceExhausted, which clients answer with a later attempt. */
  take(key: string, limit: number): () => void {
    const count = this.#counts.get(key) ?? 0;
    if (count >= limit) {
      throw new ConnectError(`${key} has ${count} streams open, which is the limit`, Code.ResourceExhausted);
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
