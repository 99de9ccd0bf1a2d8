import type { EnvVar } from "./pod.ts";

/**
 * What makes Node modest in every pod: measured with `npm run bench -- --only pod-rate-1k`, 6 MB less private memory for
 * 3 % more CPU at most. New objects get 1 MB before they are sorted out (V8 takes 16), and freed memory of all threads
 * is one heap, as few of them allocate. With `--expose-gc` what a peak of connections left behind is collected when it is
 * over (`net/memory-release.ts`).
 */
export const FRUGAL_NODE: readonly EnvVar[] = [
  { name: "NODE_OPTIONS", value: "--max-semi-space-size=1 --expose-gc" },
  { name: "MALLOC_ARENA_MAX", value: "1" },
];
