import type { Socket } from "node:net";
import type { Clock } from "../../mesh/runtime.ts";
import { afterInput } from "../../net/after-input.ts";

export interface PeekOptions {
  readonly clock: Clock;
  /** How long the peer may be silent. `undefined`: no limit. */
  readonly silenceMs?: number | undefined;
  /** How long it may take from its first byte to a verdict. `undefined`: no limit. */
  readonly verdictMs?: number | undefined;
  /** How long it may be quiet before a verdict; evaluated after each packet. `undefined`: no limit. */
  readonly quietMs?: (() => number) | undefined;
  /** Ends peeking with `silent`; what was read is put back. */
  readonly signal?: AbortSignal | undefined;
}

export type Peeked<Verdict> =
  | { readonly kind: "judged"; readonly verdict: Verdict }
  /** Nothing was sent within the silence limit, or the caller aborted. */
  | { readonly kind: "silent" }
  /** Something was sent, but not enough for a verdict in time. */
  | { readonly kind: "undecided" }
  /** The peer ended its side before a verdict; these bytes cannot be put back. */
  | { readonly kind: "ended"; readonly bytes: Buffer }
  | { readonly kind: "closed" };

/**
 * Reads the first bytes of a paused socket until `judge` has a verdict, and puts them back for the next reader of the
 * socket. If the caller destroys the socket, the result is `closed`.
 */
export function peekBytes<Verdict>(
  socket: Socket,
  judge: (bytes: Buffer) => Verdict | undefined,
  options: PeekOptions,
): Promise<Peeked<Verdict>> {
  return new Promise((resolve) => {
    let bytes: Buffer = Buffer.alloc(0);
    const { clock, silenceMs, verdictMs, quietMs, signal } = options;
    let timer = silenceMs === undefined ? undefined : afterInput(clock, () => finish({ kind: "silent" }), silenceMs);

    const hurry = (limitMs: number | undefined): void => {
      timer?.cancel();
      timer = limitMs === undefined ? undefined : afterInput(clock, () => finish({ kind: "undecided" }), limitMs);
    };
    const finish = (peeked: Peeked<Verdict>): void => {
      timer?.cancel();
      signal?.removeEventListener("abort", onAbort);
      socket.off("data", onData);
      socket.off("end", onEnd);
      socket.off("close", onClose);
      socket.pause();
      if (bytes.length > 0 && peeked.kind !== "closed" && peeked.kind !== "ended") socket.unshift(bytes);
      resolve(peeked);
    };
    const onClose = (): void => finish({ kind: "closed" });
    const onEnd = (): void => finish({ kind: "ended", bytes });
    const onAbort = (): void => finish({ kind: "silent" });
    const onData = (chunk: Buffer): void => {
      const isFirst = bytes.length === 0;
      bytes = isFirst ? chunk : Buffer.concat([bytes, chunk]);
      const verdict = judge(bytes);
      if (verdict !== undefined) finish({ kind: "judged", verdict });
      else if (quietMs !== undefined) hurry(quietMs());
      else if (isFirst) hurry(verdictMs);
    };

    socket.on("data", onData);
    socket.on("end", onEnd);
    socket.on("close", onClose);
    signal?.addEventListener("abort", onAbort, { once: true });
    if (socket.destroyed) onClose();
    else if (socket.readableEnded) onEnd();
    else socket.resume();
  });
}
