import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { formatRequest, meshTlsOptions } from "./connect-mesh.ts";
import type { FreshJob, HandshakeJob } from "./load-job.ts";
import { type LoadResult, latencyOf } from "./load-result.ts";
import { ResponseReader } from "./response-reader.ts";

const REQUEST_TIMEOUT_MS = 10_000;

/** Opens a connection, asks, reads the response, closes; the latency runs from the opening to the response's end. */
export async function openFreshConnections(job: FreshJob | HandshakeJob): Promise<LoadResult> {
  const open = opener(job);
  const request = formatRequest(job.file, true);
  const latencies: number[] = [];
  let failures = 0;
  const startedMs = performance.now();
  const endMs = startedMs + job.seconds * 1000;
  const work = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const begunMs = performance.now();
      if (await exchange(open(), request)) latencies.push(performance.now() - begunMs);
      else failures += 1;
    }
  };
  await Promise.all(Array.from({ length: job.concurrency }, work));
  const seconds = (performance.now() - startedMs) / 1000;
  return { generator: "own", count: latencies.length, failures, seconds, latencyMs: latencyOf(latencies) };
}

function opener(job: FreshJob | HandshakeJob): () => Socket {
  const { host, port } = job;
  if (job.kind === "fresh") return () => connectTcp({ host, port, noDelay: true });
  const tls = meshTlsOptions(job.certificates);
  return () => connectTls({ ...tls, host, port });
}

/** Whether the response came whole and was a 200. */
function exchange(socket: Socket, request: string): Promise<boolean> {
  const reader = new ResponseReader();
  return new Promise((resolve) => {
    const finish = (isGood: boolean): void => {
      clearTimeout(timer);
      socket.end();
      resolve(isGood);
    };
    const timer = setTimeout(() => {
      socket.destroy();
      finish(false);
    }, REQUEST_TIMEOUT_MS);
    socket.on("error", () => finish(false));
    socket.on("close", () => finish(false));
    socket.on("data", (chunk: Buffer) => {
      const [response] = reader.push(chunk);
      if (response !== undefined) finish(response.status === 200);
    });
    socket.write(request);
  });
}
