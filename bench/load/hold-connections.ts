import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { formatRequest, meshTlsOptions } from "./connect-mesh.ts";
import type { IdleJob } from "./load-job.ts";
import type { LoadResult } from "./load-result.ts";

const AT_ONCE = 16;

/** Opens connections, sends one request on each, reports when all have a response, and holds them until stdin ends. */
export async function holdConnections(job: IdleJob, onOpen: (result: LoadResult) => void): Promise<void> {
  const tls = meshTlsOptions(job.certificates);
  const request = formatRequest(job.file, false);
  const held: TLSSocket[] = [];
  let failures = 0;
  let left = job.connections;
  const startedMs = performance.now();
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const socket = connect({ ...tls, host: job.host, port: job.port });
      socket.write(request);
      const isOpen = await isAnswered(socket);
      if (isOpen) held.push(socket);
      else failures += 1;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const seconds = (performance.now() - startedMs) / 1000;
  onOpen({ generator: "own", count: held.length, failures, seconds, latencyMs: undefined });
  process.stdin.resume();
  await once(process.stdin, "end");
  for (const socket of held) socket.destroy();
}

/** The socket keeps an error listener for life. */
function isAnswered(socket: TLSSocket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once("data", () => resolve(true));
    socket.on("error", () => resolve(false));
    socket.once("close", () => resolve(false));
  });
}
