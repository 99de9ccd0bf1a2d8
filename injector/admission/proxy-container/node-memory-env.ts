import type { EnvVar } from "../pod.ts";

/**
 * Node settings that reduce a sidecar's memory. `npm run bench -- --only pod-rate-1k` measures 6 MB less private memory
 * for at most 3 % more CPU; this is the only place that gives the figures. The young generation is 1 MB (V8's default
 * is 16), and malloc uses one arena for all threads, because few of them allocate. `--expose-gc` lets the proxy collect
 * the garbage of a connection peak when the peak is over (`net/memory-release.ts`).
 */
export const NODE_MEMORY_ENV: readonly EnvVar[] = [
  { name: "NODE_OPTIONS", value: "--max-semi-space-size=1 --expose-gc" },
  { name: "MALLOC_ARENA_MAX", value: "1" },
];
