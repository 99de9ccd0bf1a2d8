/** What a load generator saw. */
export interface LoadResult {
  readonly generator: "wrk" | "autocannon" | "own";
  /** What was completed, in the workload's own unit: requests, gigabytes, handshakes, connections. */
  readonly count: number;
  readonly failures: number;
  readonly seconds: number;
  readonly latencyMs: Latency | undefined;
}

export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}
