import { askInPod, type DemoPod } from "../pods/demo-pod.ts";
import { pollUntil } from "../poll-until.ts";
import type { CheckContext, Finding } from "./check.ts";

export interface AwaitedResponse {
  readonly claim: string;
  /** Where the client is. */
  readonly pod: DemoPod;
  readonly url: string;
  /** How `STATUS BODY` begins. */
  readonly expected: string;
}

/** Asks again and again until a change is in force, and shows how long that took. */
export async function awaitResponse(
  { cluster: { pace }, signal }: CheckContext,
  { claim, pod, url, expected }: AwaitedResponse,
): Promise<Finding> {
  const { value, isReached, elapsedMs } = await pollUntil(
    () => askInPod(pod, url),
    (seen) => seen.startsWith(expected),
    { everyMs: 20, timeoutMs: pace.inForceMs, signal },
  );
  return {
    claim,
    passed: isReached,
    expected: `${expected}, within ${pace.inForceMs} ms`,
    seen: `${value} after ${Math.round(elapsedMs)} ms`,
  };
}
