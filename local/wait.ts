import { setTimeout as sleep } from "node:timers/promises";
import type { Readiness } from "./pods/container-readiness.ts";

const POLL_MS = 50;

/** Polls until the condition is true; rejects with the signal's reason. */
export async function pollUntilReady(probe: () => Promise<Readiness>, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    const readiness = await probe();
    if (readiness.kind === "ready") return;
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** The promise's result, unless the signal aborts first: then its reason is thrown. */
export function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}
