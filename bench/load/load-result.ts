/** What a load generator saw. */
export interface LoadResult {
  readonly generator: "wrk" | "h2load" | "autocannon" | "own";
  /** What was completed, in the workload's own unit: requests, gigabytes, handshakes, connections. */
  readonly count: number;
  readonly failures: number;
  readonly seconds: number;
  readonly latencyMs: Latency | undefined;
  /** What the load left in the memory of the server's side while it lasted; only some workloads ask. */
  readonly addedPrivateMb?: number;
}

export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** Percentiles by the nearest rank; `undefined` of nothing. */
export function latencyOf(latenciesMs: readonly number[]): Latency | undefined {
  if (latenciesMs.length === 0) return undefined;
  const sorted = Float64Array.from(latenciesMs).sort();
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99) };
}
