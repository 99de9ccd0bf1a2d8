import { setTimeout as sleep } from "node:timers/promises";

/** Less than the default limit of a test, which would not say what was waited for. */
const LIMIT_MS = 100_000;

/** For tests: resolves when a condition that reports no event is true. Otherwise the error quotes the condition. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = performance.now() + LIMIT_MS;
  while (!(await isTrue())) {
    if (performance.now() > endMs) throw new Error(`not true within ${LIMIT_MS / 1000} s: ${isTrue}`);
    await sleep(20);
  }
}
