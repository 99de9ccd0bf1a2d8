/**
 * The bench's own load generator, for what autocannon and wrk do not do: requests at fixed times, a connection for each
 * request with its opening in the latency, mutual TLS, a slow reader. Its argument is a `LoadJob`; it prints a `LoadResult`.
 */
import { holdConnections } from "./hold-connections.ts";
import type { LoadJob } from "./load-job.ts";
import type { LoadResult } from "./load-result.ts";
import { openFreshConnections } from "./open-fresh-connections.ts";
import { readStream } from "./read-stream.ts";
import { sendMixed } from "./send-mixed.ts";
import { sendPaced } from "./send-paced.ts";
import { streamCalls } from "./stream-calls.ts";

const job: LoadJob = JSON.parse(process.argv[2] ?? "{}");
const print = (result: LoadResult): void => void process.stdout.write(`${JSON.stringify(result)}\n`);

if (job.kind === "idle") await holdConnections(job, print);
else print(await runJob(job));

function runJob(finite: Exclude<LoadJob, { kind: "idle" }>): Promise<LoadResult> {
  switch (finite.kind) {
    case "paced":
      return sendPaced(finite);
    case "mixed":
      return sendMixed(finite);
    case "server streams":
      return streamCalls(finite);
    case "fresh":
    case "handshakes":
      return openFreshConnections(finite);
    case "stream":
      return readStream(finite);
  }
}
