/**
 * Runs inside a pod's network: opens a stream in both directions to the gRPC service, and holds it until it ends. Makes a
 * file once it is open, and prints as JSON when and how it ended.
 */
import { writeFile } from "node:fs/promises";
import { argv, stdout } from "node:process";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Hello } from "../../../hello-grpc/api/gen/hello_pb.ts";
import type { StreamJob, StreamReport } from "../authorization/open-stream.ts";

// The demo starts this file itself, with a job of its own making as the argument.
const job: StreamJob = JSON.parse(argv[2] ?? "{}");
const over = AbortSignal.timeout(job.timeoutMs);
const client = createClient(Hello, createGrpcTransport({ baseUrl: `http://${job.host}:${job.port}` }));

stdout.write(JSON.stringify(await hold()));

async function hold(): Promise<StreamReport> {
  try {
    for await (const _greeting of client.chat(oneName(), { signal: over })) await writeFile(job.openedFile, "");
    return { endedAtMs: Date.now(), reason: "the server ended it" };
  } catch (caught) {
    return { endedAtMs: over.aborted ? 0 : Date.now(), reason: ConnectError.from(caught).message };
  }
}

/** The client's side stays open after its first name. */
async function* oneName() {
  yield { name: "stream" };
  await new Promise((resolve) => over.addEventListener("abort", resolve, { once: true }));
}
