import { setTimeout as sleep } from "node:timers/promises";

/** For tests: resolves when a condition that reports no event is true. The test's own time limit bounds the wait. */
export async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await sleep(20);
}
