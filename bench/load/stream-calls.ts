import { findGrpcFault, openGrpcClient } from "./grpc-client.ts";
import { STREAM_MESSAGE_BYTES } from "./grpc-messages.ts";
import type { ServerStreamJob } from "./load-job.ts";
import type { LoadResult } from "./load-result.ts";

const GIGABYTE = 1024 ** 3;
/** 64 MB a call. */
const MESSAGES = (64 * 1024 ** 2) / STREAM_MESSAGE_BYTES;

/** Server streams of 64 MB in messages of 4 KB, one call after the other. Counts gigabytes; throws at a call that failed. */
export async function streamCalls({ port, seconds }: ServerStreamJob): Promise<LoadResult> {
  const client = openGrpcClient({ port });
  const startedMs = performance.now();
  const elapsed = (): number => (performance.now() - startedMs) / 1000;
  let bytes = 0;
  while (elapsed() < seconds) {
    const outcome = await client.call(MESSAGES);
    const fault = findGrpcFault(outcome, MESSAGES);
    if (fault !== undefined) throw new Error(`a server stream failed: ${fault}`);
    bytes += outcome.bytes;
  }
  client.close();
  return { generator: "own", count: bytes / GIGABYTE, failures: 0, seconds: elapsed(), latencyMs: undefined };
}
