import type { MixedJob } from "./load-job.ts";
import type { LoadResult } from "./load-result.ts";
import { sendPaced } from "./send-paced.ts";

/** Small and large responses at the same time, each at its rate. Counts both; the latencies are those of the small ones. */
export async function sendMixed({ small, large, ...target }: MixedJob): Promise<LoadResult> {
  const [ofSmall, ofLarge] = await Promise.all([
    sendPaced({ ...target, ...small, kind: "paced" }),
    sendPaced({ ...target, ...large, kind: "paced" }),
  ]);
  return {
    generator: "own",
    count: ofSmall.count + ofLarge.count,
    failures: ofSmall.failures + ofLarge.failures,
    seconds: Math.max(ofSmall.seconds, ofLarge.seconds),
    latencyMs: ofSmall.latencyMs,
  };
}
