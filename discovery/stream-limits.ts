import { Code, ConnectError } from "@connectrpc/connect";

/** How many streams one caller may have open. */
export interface StreamLimits {
  /** For one pod: a sidecar keeps a stream for each destination in use. @default 8192 */
  readonly perPod: number;
  /** For all pods of one identity that the mesh does not know (yet). @default 512 */
  readonly waitingPerIdentity: number;
  /** Streams of the trust bundle for one identity, whose pods may be many. @default 4096 */
  readonly bundlesPerIdentity: number;
}

export const DEFAULT_STREAM_LIMITS: StreamLimits = { perPod: 8192, waitingPerIdentity: 512, bundlesPerIdentity: 4096 };

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
