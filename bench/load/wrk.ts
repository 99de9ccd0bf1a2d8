import { fileURLToPath } from "node:url";
import { runToEnd } from "../processes/run-to-end.ts";
import type { LoadResult } from "./load-result.ts";

const REPORT = fileURLToPath(new URL("wrk-report.lua", import.meta.url));

export interface KeepAliveLoad {
  readonly url: string;
  readonly seconds: number;
  readonly connections: number;
  /** 1 MB goes with every request. */
  readonly isUpload: boolean;
  /** `NAME=VALUE`; only autocannon sends them. @default none */
  readonly headers?: readonly string[];
}

/** As many requests as go through, on connections that are kept; one thread, closed loop. */
export async function runWrk({ url, seconds, connections, isUpload }: KeepAliveLoad): Promise<LoadResult> {
  const args = [
    "-t1",
    `-c${connections}`,
    `-d${seconds}s`,
    "--timeout",
    "10s",
    "-s",
    REPORT,
    url,
    "--",
    ...(isUpload ? ["upload"] : []),
  ];
  return parseWrkReport(await runToEnd("wrk", args, (seconds + 30) * 1000));
}

/** Reads the line that the script writes below wrk's own text; throws if there is none. */
export function parseWrkReport(output: string): LoadResult {
  const line = output.split("\n").find((candidate) => candidate.startsWith('{"requests":'));
  if (line === undefined) throw new Error(`wrk gave no figures: ${output.trim().slice(-500)}`);
  const report: Readonly<Record<string, number>> = JSON.parse(line);
  const milliseconds = (name: string): number => (report[name] ?? 0) / 1000;
  return {
    generator: "wrk",
    count: report["requests"] ?? 0,
    failures: report["failures"] ?? 0,
    seconds: milliseconds("durationUs") / 1000,
    latencyMs: { p50: milliseconds("p50Us"), p90: milliseconds("p90Us"), p99: milliseconds("p99Us") },
  };
}
