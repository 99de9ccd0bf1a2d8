import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runToEnd } from "../processes/run-to-end.ts";
import type { LoadResult } from "./load-result.ts";
import type { KeepAliveLoad } from "./wrk.ts";

const AUTOCANNON = fileURLToPath(import.meta.resolve("autocannon"));
const MEGABYTE = 1024 ** 2;

/** As many requests as go through, on connections that are kept, where there is no wrk. Counts whole milliseconds. */
export async function runAutocannon(load: KeepAliveLoad): Promise<LoadResult> {
  const { url, seconds, connections, isUpload, headers = [] } = load;
  const fields = headers.flatMap((header) => ["-H", header]);
  const args = [AUTOCANNON, "-j", "-d", String(seconds), "-c", String(connections), ...fields];
  if (!isUpload) return await run([...args, url], seconds);
  const folder = mkdtempSync(join(tmpdir(), "entente-bench-upload-"));
  try {
    const body = join(folder, "body");
    writeFileSync(body, "e".repeat(MEGABYTE));
    return await run([...args, "-m", "POST", "-i", body, url], seconds);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function run(args: readonly string[], seconds: number): Promise<LoadResult> {
  return parseAutocannonReport(await runToEnd(process.execPath, args, (seconds + 30) * 1000));
}

/** Reads autocannon's JSON. */
export function parseAutocannonReport(output: string): LoadResult {
  const report: unknown = JSON.parse(output);
  const at = (...path: readonly string[]): number => numberAt(report, path);
  return {
    generator: "autocannon",
    count: at("requests", "total"),
    failures: at("errors") + at("timeouts") + at("non2xx"),
    seconds: at("duration"),
    latencyMs: { p50: at("latency", "p50"), p90: at("latency", "p90"), p99: at("latency", "p99") },
  };
}

function numberAt(report: unknown, path: readonly string[]): number {
  let value = report;
  for (const name of path) value = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  return typeof value === "number" ? value : 0;
}
