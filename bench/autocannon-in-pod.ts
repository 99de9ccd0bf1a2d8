import { fileURLToPath } from "node:url";
import type { LocalPod } from "../local/local-pod.ts";

/** What autocannon saw of one load. */
export interface LoadResult {
  readonly requests: number;
  readonly failures: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
}

export interface LoadOptions {
  readonly url: string;
  readonly seconds: number;
  readonly connections: number;
  /** Requests a second, all connections together; `undefined`: as fast as it goes. */
  readonly rate?: number;
}

const AUTOCANNON = fileURLToPath(import.meta.resolve("autocannon"));

/** Runs autocannon inside a pod, so that its connections go the way that an application's would. */
export async function runLoad(pod: LocalPod, options: LoadOptions): Promise<LoadResult> {
  const { url, seconds, connections, rate } = options;
  const rates = rate === undefined ? [] : ["-R", String(rate)];
  const command = [process.execPath, AUTOCANNON, "-j", "-d", String(seconds), "-c", String(connections), ...rates, url];
  const { status, stdout, stderr } = await pod.exec(command, { timeoutMs: (seconds + 30) * 1000 });
  if (status !== 0) throw new Error(`autocannon ended with ${status}: ${stderr.trim()}`);
  return parseResult(JSON.parse(stdout));
}

function parseResult(report: Record<string, unknown>): LoadResult {
  return {
    requests: numberAt(report, "requests", "total"),
    failures: numberAt(report, "errors") + numberAt(report, "timeouts") + numberAt(report, "non2xx"),
    requestsPerSecond: numberAt(report, "requests", "average"),
    p50Ms: numberAt(report, "latency", "p50"),
    p90Ms: numberAt(report, "latency", "p90"),
    p99Ms: numberAt(report, "latency", "p99"),
  };
}

function numberAt(report: Record<string, unknown>, ...path: readonly string[]): number {
  let value: unknown = report;
  for (const name of path) value = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  return typeof value === "number" ? value : 0;
}
