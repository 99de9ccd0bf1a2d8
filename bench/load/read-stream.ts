import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { formatRequest } from "./connect-mesh.ts";
import type { StreamJob } from "./load-job.ts";
import type { LoadResult } from "./load-result.ts";
import { ResponseReader } from "./response-reader.ts";

const GIGABYTE = 1024 ** 3;

/** Reads one long response, to its end or slowly for the given time. Counts gigabytes. */
export async function readStream(job: StreamJob): Promise<LoadResult> {
  const { host, port, bytesPerSecond = Number.POSITIVE_INFINITY } = job;
  const isWhole = job.bytesPerSecond === undefined;
  const reader = new ResponseReader();
  const socket = connect({ host, port });
  const startedMs = performance.now();
  const elapsed = (): number => (performance.now() - startedMs) / 1000;
  await once(socket, "connect");
  socket.write(formatRequest(job.file, false));
  let bytes = 0;
  let isComplete = false;
  for await (const chunk of socket) {
    bytes += chunk.length;
    isComplete = reader.push(chunk).some(({ status }) => status === 200);
    if (isComplete || (!isWhole && elapsed() > job.seconds)) break;
    const aheadMs = (bytes / bytesPerSecond - elapsed()) * 1000;
    if (aheadMs > 1) await delay(aheadMs);
  }
  const failures = isWhole && !isComplete ? 1 : 0;
  return { generator: "own", count: bytes / GIGABYTE, failures, seconds: elapsed(), latencyMs: undefined };
}
